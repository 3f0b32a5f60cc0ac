// Package directory answers who certifies which mail domain, with which certificate: the providers directory (IGPEC) of
// RFC 6109 4.5, an LDIF file (RFC 2849) that the authority signs as a whole.
//
// What it guarantees. A Directory is an immutable snapshot: whoever takes one answers a whole message from it
// (norms.md 123). It never holds a certificate whose published hash does not match, and never attributes a domain or
// a certificate that two providers claim. What is damaged in a file is left out and stands in Problems; what is sound
// stays in force. A file counts only if its CMS signature verifies with one pinned certificate and it is not older
// than the one in force, so neither the channel nor the disk has to be trusted. URLs in the file are text: nothing in
// this package opens one.
//
// On disk. Nothing of its own: the Keeper is given Load and Save for one blob, the signed file as it was fetched, which is
// verified again whenever it is loaded (norms.md 129).
//
// On failure. A fetch that fails, a bad signature, an older file or a failed save leaves the last good copy in force; the error
// is returned, Run logs it with the copy's age and tries again (norms.md 122). Without any copy the directory is empty:
// no domain is certified, our own included, so that no mail is taken.
package directory
