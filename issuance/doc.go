// Package issuance holds the provider's mail keys and is the only package that does.
//
// It signs in two motions: Issue composes the exact octets, checks them against the rules of pec before the key is
// touched, signs once, and verifies its own signature with the digest that it signed. It signs nothing but what pec
// composes, so it is no oracle for other octets (attacks.md 33). What it returns is not yet issued: the caller commits
// it to the store first, and only then is it anybody's.
//
// A key that cannot sign is an error, never a message without signature. Nothing is on disk.
package issuance
