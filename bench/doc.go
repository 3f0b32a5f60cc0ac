// Package bench measures the goals P1, P1b, P2, P3, P4, P7, P8 and P10 of design.md 8, and the floor below them: what RSA,
// SHA-256 and the disk of this machine give. On request it measures a plain relay of Postfix beside them.
//
// For each measure Run starts the program's sandbox as a child process, on loopback, in a new directory that is removed at
// the end, and drives it over SMTP and IMAP inside TLS 1.3 as mail clients do: 16 connections, each with a mailbox of its
// own, without pipelining, messages of 5 KB from Alfa to Beta unless said otherwise. The child is always ended: SIGTERM,
// then kill. A measure that fails, or needs a program that is not there, stands in the report with the reason; it never
// stops the others, and is never met.
//
// With a PostgreSQL database each sandbox has schemas of its own there. They are removed at its end, also when a measure
// fails; what a killed benchmark leaves is called ceralacca_*. The server should have nothing else to do. Its CPU and its
// memory are not the child's: measures of CPU are given of the child alone and once more with the CPU of the server, which
// is that of its first process and all its children. That includes what it does for itself meanwhile. Where the server's
// process is not known, because it runs elsewhere or nobody named it, the report says so in the place of these figures.
//
// CPU is all that the child's process used, user and system: both providers with both ends of every connection between
// them, and the sandbox's authority, outside server and control page. Nothing is taken off for these; what the child uses
// while nothing moves is measured apart and reported. What the clients ask over IMAP to see what has arrived is in it too.
// An exchange counts when its acceptance and its delivery receipt lie in the sender's mailbox and its taking in charge in
// the service mailbox, and its CPU is read when the child is quiet again.
//
// P1, P1b. A round is some exchanges. While it lasts a thread of this process does, again and again, the RSA operations of
// one exchange, so that what is taken off and what is divided by was measured under the same load. P1 is the median of the
// rounds' ratios; lowest and highest stand beside it. The key and the certificates of that thread are as long as the
// sandbox's.
//
// P2. Each sender has an IDLE session and sends as long as he is owed fewer receipts than a bound: 4 times the cores.
// Without a bound the program accepts faster than it delivers, and its queue grows for as long as the load lasts; with it
// the bound is nearly always reached, so the program never lacks work. The rate is all exchanges, whole, over the time from
// the first message to the last receipt: what was still under way when sending ended is waited for and the wait counts. The
// rate is divided by the cores that this process left, each doing nothing but exchanges. The CPU of one exchange is the lower
// of that under the load and that of calm rounds before it, so that neither wasted CPU nor dear calm rounds flatter. Low and
// high are by the messages accepted in each tenth of the time, but the first. The CPU of a database server that is known is
// in the cost of an exchange: it shares the cores. If it is not known, the share is right only if the server runs elsewhere.
//
// P3. A round is exchanges of 10 MiB, four at once, and of 5 KB; the difference of their CPU over the difference of their
// sizes is divided by the passes of SHA-256 and AES-128-GCM (in records of 16 KiB) that a thread of this process does
// meanwhile. The messages are random octets in base64.
//
// P4. Two sandboxes have the load of P2 in turns, one of them under strace, which delays the return of every fsync and
// fdatasync by 10 ms, beyond what it takes by itself. Waits for what was under way are in both rates. What strace costs is
// not taken off. The syncs are the lines of its log, each of which must say that it was delayed; the facts are those that
// `ceralacca check` finds, which must find no violation. Both are counted from after the warm-up to the end.
//
// P4 of PostgreSQL has one sandbox and the syncs of the server: strace is attached to all its processes while the flows with
// delays last, and syncs and facts are counted in these. An attached strace stops the server at every system call, not at
// syncs only, so the ratio is lower than the delay alone would make it; a flow with strace and without delay in each round
// tells by how much. It needs the right to trace the server: root, or its user. The child syncs nothing while mail moves.
//
// P7. One message at a time on the idle system; after each, 4 KB are appended to a file on the same disk and synced.
// That is the disk of the temporary directory; if a database is on another, the goal is not by its syncs.
//
// P8. Memory is VmRSS, which is what the kernel charges the process: anonymous memory and mapped files. Anonymous memory
// alone would miss contents read through a mapping; it is reported beside. The peak is the kernel's own, reset before the
// messages, so that no sampling misses it. Idle is what is left after log-ins and a warm-up when 5 seconds have freed
// nothing, or the same after the messages if that is less. 8 messages of 100,000,000 octets are sent at once, and each is
// fetched whole over IMAP as soon as it is delivered. They are made while they are sent, and forgotten while they are read.
// It is the child's memory only: what a database server takes is not in it.
//
// P10. The senders write without a pause; after 0.2 to 1.2 seconds the process is killed (SIGKILL) and started again in the
// same directory. It is ready when the sandbox says so and every mail service of both providers has greeted; that time
// begins before the process is started. A message that got no answer is sent again, octet by octet. At the end the law's
// clock is moved until nothing changes, and the headers of all mailboxes are compared with the senders' list of 250s, by PEC
// id and by the client's Message-ID: envelope, acceptance, taking in charge and delivery receipt must each be there once.
// `ceralacca check` must find no violation. A kill leaves the page cache: this shows recovery, not durability.
// A database server is not killed.
//
// Postfix runs from a configuration, a queue and a log of its own, as it comes but for the relay host and in_flow_delay = 0,
// without TLS, and hands everything to smtp-sink. It gets the same messages over as many connections, without a bound. A
// round ends when its log says that everything was handed on and removed. CPU is that of master and all its processes,
// smtp-sink's not. It needs root.
//
// Measuring the CPU of a process while it runs needs Linux; elsewhere Run says so.
package bench
