// Package check holds a provider's data against the invariants of design.md 3. Operators run it on a snapshot while the
// server runs; every end-to-end test ends with it.
//
// Run changes nothing and finds everything: it goes on after a violation. A store without violations has for each message
// that we sent one acceptance; for each certified recipient one outcome at most, and one that was issued or heard; a
// deposit for each delivery receipt; a fact for each task; signatures that verify; the original's octets the same in
// envelope, receipts and mailbox; and tracking and deposits that follow from the records. A loss with all its rows is
// invisible here: a load test compares with what the client was told.
package check
