// Package dispatch sends certified mail and receipts to other providers, and certified mail to the outside: the one SMTP
// client of the program.
//
// A relay is a task in the store. Each attempt is one SMTP transaction per route; what the peer said for each recipient is
// committed, then the task is finished or put off. If the commit is lost the message is sent again: between providers
// that is harmless, for they know what they took in charge. What got a temporary answer is tried again alone.
//
// To a PEC peer the connection is always TLS with a verified certificate; if that fails the message waits, with an alarm,
// and never goes in clear text (norms.md 142). Certified mail to the outside is given up on a permanent refusal or after
// 24 hours, and the sender is told (RFC 6109 2.2.2; norms.md 70). Receipts are owed: they are tried for as long as it takes.
//
// The octets that were stored go out as they are, with dot-stuffing only. The package keeps nothing on disk of its own.
package dispatch
