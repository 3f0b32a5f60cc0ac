// Package sandbox is certified mail on a laptop: two providers, Alfa and Beta, the authority with their CA, and an ordinary
// mail server for the outside, in one process, on loopback, with certificates that nobody can mistake for real ones.
//
// It asks no DNS and dials loopback only: what is not in the directory goes to the outside server. Everything is in one
// directory; keys, data and the clock's offset survive a restart. sandbox.json is written, by rename, once everything
// answers, and removed at start and at a clean stop: a program that finds it may rely on every service in it.
//
// A directory that is not a sandbox's, or lacks files, is refused and nothing in it is changed; Fresh empties only a
// sandbox's. A second sandbox on the same directory is refused.
//
// POST /clock moves the law's clock of all providers forward and answers when all that is then due has been tried, so
// tests of 24 hours never sleep. The offset only grows and is durable before the clock moves.
//
// The control page shows accounts, the last messages with the state of each recipient, and every stored message as it was
// signed. It asks for no password; what strangers wrote is text to it, and requests that name it by a public name are
// refused.
package sandbox
