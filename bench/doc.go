// Package bench measures the goals P1, P1b and P7 of design.md 8, and the floor below them: what RSA, SHA-256 and the
// disk of this machine give.
//
// Run starts the program's sandbox as a child process, on loopback, in a new directory that is removed at the end, and
// drives it over SMTP and IMAP inside TLS 1.3 as mail clients do: without pipelining, messages of 5 KB from Alfa to Beta.
// The child is always ended: SIGTERM, then kill. Every measure is bounded in time and in count.
//
// CPU is all that the child's process used, user and system: both providers with both ends of every connection between
// them, and the sandbox's authority, outside server and control page. Nothing is taken off for these; what the child uses
// while nothing moves is measured apart and reported. Asking over IMAP whether everything has arrived is in it too: 17
// STATUS commands a round at least.
//
// A round is some exchanges and the wait until their receipts lie in the mailboxes and the child is quiet. While it lasts
// a thread of this process does, again and again, the RSA operations of one exchange, so that what is taken off and what
// is divided by was measured under the same load. P1 is the median of the rounds' ratios; lowest and highest stand beside
// it. The key and the certificates of that thread are as long as the sandbox's.
//
// Measuring the CPU of a process while it runs needs Linux; elsewhere Run says so.
package bench
