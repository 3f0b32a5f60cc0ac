// Package smtpd is a strict SMTP server (RFC 5321) for message submission and for mail from other servers. It knows the
// protocol and nothing of what a message means: Config's functions decide who may log in, who may send, who receives, and
// take the octets.
//
// What it guarantees:
//
//   - Line ends are CRLF and nothing else. A bare CR or LF in a command, or in what an AUTH waits for, closes the connection. In DATA a bare CR, a bare LF
//     or a NUL is 550 5.6.11 and then the connection closes: two programs that disagree on where a line ends must not go
//     on talking (SMTP smuggling). Nothing up to the true CRLF.CRLF is ever read as a command, whatever went wrong.
//   - 250 to DATA is written only after Config.Receive has returned without an error, having read to the end of the
//     message. Each message gets one reply; ErrHangUp alone closes the connection without any (design.md 3, unknown outcomes).
//   - Nothing that arrived in clear is believed after STARTTLS: octets sent behind the command close the connection, and the session begins anew. A failed
//     handshake closes. A submission server offers AUTH, and takes MAIL, only inside TLS.
//   - A peer can hold a connection only while it makes progress (Timeouts, MinimumRate), and only so many connections at once.
//     Where a log-in is asked for, a connection without one lives a minute. A full server lets others in at the cost of those who
//     have most and have not logged in; TLS handshakes and log-ins are made in turns by network, and guesses are slowed
//     (package admission; attacks.md 9, 39). What a connection keeps in memory is its two buffers, one command line and its list of recipients.
//   - Serve returns only after every goroutine that it started has ended.
//
// What happens on failure: an error of a function in Config becomes the reply that it names (Error), and otherwise 451 4.3.0
// with a fixed text; the cause goes to the log only. Replies carry printable ASCII only, so that no text can forge another reply.
// A read error or a time-out ends the connection for good. A panic below a connection ends that connection without a reply and is logged with its stack.
//
// Nothing is written to disk. Announced: PIPELINING, SIZE, ENHANCEDSTATUSCODES, and as configured 8BITMIME, STARTTLS, AUTH PLAIN LOGIN.
// Not spoken, on purpose (design.md 5): DSN, CHUNKING, BINARYMIME, SMTPUTF8.
package smtpd
