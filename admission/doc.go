// Package admission decides who may come in, when, and who waits: connections, TLS handshakes, log-ins and messages. It knows
// no protocol. Nothing of it is on disk; after a start nobody is known and nothing is spent.
//
// What it guarantees:
//
//   - Gate lets work in by its weight, never more at once than its capacity, and serves those who wait in turns by key, so
//     that one key's burst delays another's next piece of work by one round at most (attacks.md 39). What a message costs is
//     counted in signatures. Who finds too many of its own key waiting, or waits for too long, gets ErrBusy.
//   - Budget bounds what one key spends over time: the brake of attacks.md 10, in signatures. It sits before the acceptance.
//   - Hosts bounds connections in all, by network and by account. A full server stays open: the oldest connection on which
//     nobody has logged in gives way, of the network that has most of them. Who has logged in never gives way.
//   - GuardTLS makes the signatures of TLS handshakes in turns by network (attacks.md 39). A handshake that stalls holds no
//     turn, only its connection.
//   - Logins slows guessing by account and by network, and locks nobody out (attacks.md 9). A network with more than 20
//     failures (one is forgotten every 10 s), or an account with more than 5 (one a minute), makes the next attempt wait
//     1, 2, 4, 8 s, then 10 s each time, attempts made at once too; the right password is let in after the same wait. An account's failures do not
//     count where a log-in for that account succeeded within the last 30 to 60 days, so that guesses from elsewhere cost
//     its holder nothing. Nothing depends on whether an account exists.
//
// A network is an IPv4 address or an IPv6 /64. Time is the machine's monotonic clock.
//
// Bounds of memory. Gate holds what waits: so many for each key, and no more keys than there are connections and tasks. Hosts
// holds its connections. Logins remembers the last 65,536 to 131,072 networks and accounts with failures, and four times
// as many places of successful log-ins, at some 30 octets each; beyond that those unseen for longest are forgotten first. What
// an attacker with more networks than that gains is the 20 failures that each new network had anyway, and that a holder
// whose place was forgotten waits as a stranger does: up to 10 s, and only while his account is being attacked. Attempts
// that are being slowed are bounded by network, 20 at a time, and apart from them 20 for each account in a place
// that knows it; one more is ErrBusy at once. What remains: who comes from a network that has not failed yet waits in turn
// behind all such networks, some 30 ms a password: thousands of them at once make strangers wait for a minute, and
// holders in known places not at all. Budget remembers a million keys of the last hour. Lines in the log for
// operators come ten at once and then one every 6 s, with the number of those left out.
package admission
