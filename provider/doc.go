// Package provider is one whole provider of certified mail out of one Config: the wiring, the start and the stop.
//
// Open reads keys and certificates, checks them against each other and against RFC 6109 5.5, opens the store (which puts
// in order what a crash left), and binds every port. Nothing is accepted yet. Run serves until its context ends, then
// stops in order: no new connections, the transactions under way get ten seconds, the workers finish the task they have.
// Close gives back the data directory. Several providers run in one process; nothing here is shared between them.
//
// What is wrong in the configuration is refused with the file, the line and what to do (Faults). What is wrong with the
// data is refused by the store. A failure while running that leaves an outcome unknown ends the process through
// Options.Fatal.
//
// Whether a provider's certificate was revoked is known beforehand: lists are fetched in the background, for every certificate of
// the directory in force, and no message waits for one (package revocation). What is done while nothing is known is the operators'
// choice (RevocationConfig).
//
// On disk: the store's data directory, in it the last good copy of the providers' directory, what is known of revocations, the
// authorities between that messages brought, and the control socket.
package provider
