// Package evidence says what kept messages of certified mail prove: it reads files and folders of any provider's messages,
// verifies each, tells what became of every message that they are about, and writes that down for people and for programs.
//
// # What it guarantees
//
// Every message found gets one [Verdict]. [Valid] is given only if all checks of package verify passed with the anchors and
// directories that were given; what could not be decided is [Unknown] and never shown as valid, and what is not as it should be
// is [Invalid], with a reason that does not change between versions. [Ordinary] mail is no evidence; it is compared with the
// receipts that are about it. What a message says is told from its certification data alone, and what a verdict does not prove
// stands beside it ([Item.NotShown]).
//
// The state of a recipient follows from valid messages of the provider in charge; if there are only unknown ones it is said not
// to be proven. A receipt that is about somebody else's message changes nothing (attacks.md 15).
//
// The octets are read as they are stored. Only where they do not verify, they are read as they may have been on the wire: with
// line ends restored, or without the escapes of an mbox (quirks.md E14); the report says so.
//
// The same files, options and instant give the same report. Messages of any size need bounded memory; a folder needs some
// kilobytes a message.
//
// # Failure
//
// A file that cannot be read is named in [Report.Unread] and ends nothing; the whole is then not valid. Foreign octets never
// panic. There is no clock and no network here: the instant and what is known of revoked certificates come with [Options].
// Nothing is on disk, but for what package mailfile unpacks and removes.
package evidence
