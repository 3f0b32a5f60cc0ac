// Package imapd lets holders read their mailboxes: IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051) inside TLS, and nothing in
// clear (norms.md 93). It stands on go-imap's imapserver, whose types nothing outside this package sees: the wire will be
// replaced by our own one day.
//
// What it guarantees:
//
//   - Octets are served exactly as they were stored (norms.md 94). A section is a range between offsets that were found at
//     deposit; it is streamed, so no message is ever whole in memory. Only headers are parsed, read by their range.
//   - Every answer rests on rows read before it: no transaction of the store is open while octets go to a client (design.md 4).
//   - A change is answered OK after the store's commit has returned. If the outcome of a commit is unknown the connection
//     is closed without an answer.
//   - A session's sequence numbers change only where the client is told (RFC 9051 5.5, 7.5.1): what others expunge stays
//     countable, and readable, until an EXPUNGE is sent, which never happens during FETCH, STORE or SEARCH.
//   - What a client sends is bounded: commands 50 KB, literals 4 KB and 64 KB a command, APPEND by Config.MaxAppend and
//     streamed into the store's spool, keywords by number and length, search keys by number and depth, folders by number,
//     depth, length of name and messages, a mailbox's sessions by number (attacks.md 27). A literal that the library would
//     refuse without reading it ends the connection, so that its octets are never taken for commands (literals.go).
//   - A failed log-in is answered no sooner than a second after it was judged, whatever was wrong with it; the third ends the
//     connection (attacks.md 9). Before log-in a connection lives a minute, and each wait for a client is bounded. A full
//     server lets others in at the cost of those who have most and have not logged in; TLS handshakes and log-ins are
//     made in turns by network, and guesses are slowed (package admission; attacks.md 9, 39).
//   - Serve returns when everything that it started has ended.
//
// What happens on failure: the client learns one of a few fixed texts (reply.go), the log the cause. A message whose octets
// are damaged is passed over, the others are served, and the command ends with NO. If octets turn out unreadable when a part of
// them is on the wire already, the connection is cut: a literal cannot be taken back.
//
// Nothing is on disk but what the store keeps. \Recent is not tracked: no message has it (RFC 9051 drops it). INTERNALDATE
// is the date that an APPEND gave, or when the message was stored, in Italian legal time.
// A view of the selected folder, its entries without their octets, is in memory for each session: about 0.6 KB a message.
//
// Spoken: SASL-IR, LITERAL-, UNSELECT, ENABLE, IDLE, UTF8=ACCEPT, NAMESPACE, UIDPLUS, ESEARCH, SEARCHRES, LIST-EXTENDED,
// LIST-STATUS, MOVE, STATUS=SIZE, BINARY, CHILDREN, SPECIAL-USE, CREATE-SPECIAL-USE, APPENDLIMIT.
// Not spoken, because imapserver has no place for them: CONDSTORE, QRESYNC, QUOTA, ID, SORT, THREAD, NOTIFY, COMPRESS,
// MULTIAPPEND, OBJECTID, PREVIEW, METADATA, ACL.
//
// The library's traps that show (v2.0.0-beta.8): the date of an ENVELOPE is written anew from the parsed one; a search for SMALLER
// is forgotten if a date or LARGER follows it on the same level; BINARY with a partial range comes back without its
// origin; a SEARCH that only saves is answered with its result; APPEND has no answer if something stands behind its literal.
package imapd
