// Package access is the access point (RFC 6109 2.2.1, 3.1): what our holders send, and what we owe them afterwards.
//
// Submit returns a PEC id when the acceptance, the transport envelope and all the work that follows are durable, in one
// commit, and not before. The same submission again returns the same id and issues nothing. A message that fails the
// formal checks is Refused with every fault named, once the signed notice lies in its sender's mailbox; nothing of it is kept.
// Any other error means that nothing was accepted, apart from store.ErrUnknown, after which nothing may be said at all.
//
// Messages wait in turns by sender before their instant is read, and for a bounded time: admission.ErrBusy. A mailbox that has
// caused too many signatures within an hour gets ErrBudget. A repeat is answered without either. Nothing is kept then.
//
// Overdue tells the sender of recipients whose provider stays silent, at 12 and at 22 hours, each notice once and as a fact of its own;
// after an outage both, the first before the final one.
//
// FollowUp tells the sender what dispatch could not send: a signed non-delivery for a certified recipient, an unsigned
// report for an external one. It is a task; it runs again until its fact is committed.
//
// The package keeps nothing on disk of its own.
package access
