// Package pec is the law of certified e-mail as values.
//
// # The model
//
// A user's message, the [Original], passes three points (RFC 6109 2.2). The access point checks
// its form ([Check]), answers the sender with an acceptance and encloses the message in a signed
// transport envelope. The incoming point of the receiving provider verifies the envelope and
// answers the sending provider that it has taken charge. The delivery point puts the envelope into
// the mailbox and answers the sender with a delivery receipt. Whatever goes wrong on the way has
// its own notice. Each of these messages has a [Kind] and carries certification data, [CertData]:
// daticert.xml, the one part of a message that programs may read (RFC 6109 4.4).
//
// # What is here
//
//	wire.go         every Italian word on the wire
//	kind.go address.go id.go time.go trace.go
//	                the vocabulary: Kind, Address, ID and ClientID, legal time
//	certdata*.go    CertData as values, written, read
//	header.go words.go charset.go params.go addresslist.go
//	                header blocks kept as octets, and the readings of their values
//	scan.go scanpart.go structure.go
//	                Scanner: where everything is in a message, found while it passes by
//	original.go check.go rewrite.go
//	                the original: reading, formal checks, the few changes we make to its header
//	compose*.go drafted.go text.go texts/
//	                Compose: from a Composition to a Draft that is checked and then signed
//	brief*.go       brief receipts: PlanBrief, the shortened body and its pieces, CheckBrief
//	overdue.go      when overdue notices are owed
//	parse.go consistent.go
//	                ParseMessage: from a Structure to what a peer says
//	record.go       the journal's record of a fact
//	dsn.go          notifications of ordinary mail
//
// # What it guarantees
//
// The package is pure: no clock, no randomness, no network, no file; it imports none of the
// other packages. Instants, identifiers and boundaries come from the caller, so the same values
// give the same octets. Nothing is on disk and nothing is kept between calls.
//
// What is written is strict. [Compose] refuses data that do not fit their kind, and
// [Draft.Check], which issuance calls before the key is touched, reads the draft back as a peer
// would. Text from outside cannot end a header field, an XML element or a line of a record
// (attacks.md 5). The octets of an original are never changed beyond what [Rewrite] lists.
//
// What is read is tolerant as quirks.md says, except where trust is decided: kind, identifier and
// time come from the certification data that the outermost signature covers and from nowhere
// else. Whether that signature is good is for package smime and the directory to say.
//
// On foreign octets nothing panics and memory is bounded. A function that can be given nonsense
// says in its error what is wrong; those documented as never failing give what can be read.
package pec
