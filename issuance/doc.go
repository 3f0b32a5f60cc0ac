// Package issuance holds the provider's mail keys and is the only package that does.
//
// It signs in two motions: Issue composes the exact octets, checks them against the rules of pec before the key is
// touched, signs once, and verifies its own signature with the digest that it signed. It signs nothing but what pec
// composes, so it is no oracle for other octets (attacks.md 33). What it returns is not yet issued: the caller commits
// it to the store first, and only then is it anybody's.
//
// A unit with a Dialect writes and signs as the engine of another provider, and may sign with SHA-1. That is for sandboxes
// and tests, so that software meets what is on the wire; a provider refuses it elsewhere. The rules above hold for it too.
//
// A key that cannot sign is an error, never a message without signature. Nothing is on disk.
package issuance
