// Package incoming is the incoming point (RFC 6109 2.2.2, 3.2): what other providers and the Internet send us, and what
// we send to ourselves.
//
// Receive returns nil when the message is taken in charge, heard, enclosed, known already or held, durably, in one commit; only
// then may 250 be said. What a provider signed and is not formally right, or is a receipt that lies, comes to its recipients enclosed
// in an anomaly envelope. What no PEC provider signed is refused with ErrOrdinary (NotCertified, if it looks like PEC), or enclosed
// for those whose mailbox or domain takes it; a report about a message that somebody sent is enclosed for that sender whatever the
// policy. What can be given to nobody is held for the operators. Nothing answers any of these. Any other error but
// store.ErrUnknown means that nothing was kept.
//
// A message is judged in four steps, each recorded: a signature exists, its certificate is a provider's in the directory,
// it is valid, and the message is formally right. Only what passed all four changes anything.
//
// What passed waits in turns by the provider that signed it and the network that it came from, before the instant is read and
// for a bounded time: admission.ErrBusy, and nothing is kept. What did not pass waits by that network alone.
//
// ReceiveOwn does the same for what this provider sends to itself: the same checks on the stored octets, without SMTP.
//
// The package keeps nothing on disk of its own.
package incoming
