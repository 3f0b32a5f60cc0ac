// Package incoming is the incoming point (RFC 6109 2.2.2, 3.2): what other providers and the Internet send us, and what
// we send to ourselves.
//
// Receive returns nil when the message is taken in charge, heard, known already or held, durably, in one commit; only
// then may 250 be said. What no PEC provider signed is refused with ErrOrdinary. What looks like PEC and fails a check is
// held for the operators with its reason, one warning, and nobody is answered. Any other error but store.ErrUnknown means
// that nothing was kept.
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
