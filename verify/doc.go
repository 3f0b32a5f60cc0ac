// Package verify makes the four checks of RFC 6109 2.2.2 over one message: a signature exists, its certificate is a
// provider's, it is valid, and the message is formally right. The incoming point judges what arrives with it, and package
// evidence what was kept for years.
//
// # Use
//
// Let the octets of a message go through a [Reader], once, and give what it found to [Trust.Verify]:
//
//	r := verify.NewReader(nil)
//	if _, err := io.Copy(r, file); err != nil { ... }
//	result, err := trust.Verify(r.Finish(), file)
//	result.CheckKept() // for a message out of a mailbox
//
// # What it guarantees
//
// A [Result] without Fault and without Doubts passed all four checks under what the [Trust] names: its anchors, its
// directory and its knowledge of revoked certificates. A [Fault] is the first check that failed, with a [Reason] that does
// not change between versions. A [Doubt] is what could not be decided with what was at hand: it is never taken for a pass
// (attacks.md 34).
//
// Dates are judged at the instant that the Trust gives, which is the arrival for a provider, and without one at the
// instant of signing (quirks.md E10). That instant is what the signer said; nothing here proves it.
//
// What a message says is taken from its certification data alone, which the signature covers. Where its header, which
// nobody signed, tells another story, [Result.CheckKept] refuses the message, and [Result.Notes] tells of what may be so by
// right (quirks.md B1).
//
// One pass, bounded memory, no clock, no network, nothing on disk. Foreign octets never panic.
package verify
