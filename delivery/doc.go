// Package delivery is the delivery point (RFC 6109 2.2.3, 3.3): into the mailbox, and the receipt that says so.
//
// For a transport envelope the mailbox entry, the signed delivery receipt and the task that sends it are one commit: the
// receipt exists if and only if the message can be read. If there is no mailbox, or it is closed, suspended or full, a
// non-delivery receipt is issued at once instead. A brief receipt's hashes are made before the instant is drawn, and nothing of the
// original is stored again. Receipts, reports and everything else are deposited unchanged and answered by nothing.
//
// A task runs again until its fact is committed, so a crash neither loses nor doubles a delivery. The package keeps
// nothing on disk of its own.
package delivery
