// Package revocation tells whether a certificate was revoked at an instant, by CRLs (RFC 5280) and OCSP responses (RFC 6960).
//
// What it guarantees. Evidence is an immutable set of CRLs and OCSP responses; what it says of a certificate depends on nothing else, so
// whoever has the same files gets the same answer, without a network. No piece counts unless its signature verifies with the key of the
// certificate's issuer, or of a responder that this issuer appointed. What is not known is Unknown and says why; it is never Good for want of
// a contradiction. Not usable, and said so: delta and indirect CRLs, CRLs of some reasons only, of another distribution point or of
// other kinds of certificates, critical extensions that are not understood, signatures with SHA-1 or MD5 (a CRL from the years when authorities
// still signed with SHA-1 leaves its certificates Unknown), CRLs that an authority signed with another key than its certificates.
// The certificate of an appointed OCSP responder is held against its dates, not against a CRL of its own.
//
// Which instants a piece speaks of. Who is listed as revoked since T (the invalidity date if that is earlier) was revoked at every instant from T
// on, however old the piece is, and was not before; the status says then what came Later, for a signing time is only what the signer claims. Who is
// not listed was good at every instant up to nextUpdate and an hour; unless the piece was made after the certificate had expired, when authorities
// may strike it off: then it says nothing, except if it declares to keep expired certificates (expiredCertsOnCRL; archive cut-off,
// RFC 6960 4.4.4). A hold (certificateHold) is the one revocation that can end: it lasts at least until the piece was made that tells of it; at a
// later instant the newest piece that is not after it decides.
//
// The network. A Fetcher gets what there is about one path, for a command; the Keeper does it in the background of a running server, where
// nothing waits for it: Path and Current are what is known now. Its rule for pieces that cannot be renewed: they count until nextUpdate and an hour, or
// until MaxAge after they were made if that is later, but never longer than five times MaxAge after they were last had from the network
// (norms.md 50). The operators get one warning when an issuer's evidence is overdue, one error when the status of a certificate is not known, one
// message when it is had again, and one warning for each watched certificate that is revoked. CRLs are preferred: one serves all certificates of an
// issuer and tells nobody whose mail arrives.
//
// On disk. The Keeper is given Load and Save for one blob: the newest CRLs and OCSP responses in PEM, each with the instant at which it was
// last had. It needs no protection beyond that of other files: signatures are verified when the pieces are used.
//
// On failure. What cannot be had, read, verified or is older than what is there (ErrRollback) leaves in force what was; the error is returned,
// the alarm has it, and Run tries again. URLs stand in certificates, so others choose them: NewClient with Public keeps the connections out of
// private networks; size, time and redirects are bounded. http is enough, because every piece is signed, but whoever stands between can
// withhold news for as long as the old piece counts.
package revocation
