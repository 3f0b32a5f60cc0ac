// Package smime signs and verifies the CMS signatures of certified mail: the
// detached ones of multipart/signed messages and the attached ones of .p7m
// files (RFC 5652, RFC 8551, norms.md 1.6).
//
// # What it guarantees
//
// A [Signer] emits DER with SHA-256, one SignerInfo, the certificate of the
// signer and its intermediates, and the signed attributes contentType,
// signingTime, messageDigest and signing-certificate-v2. It refuses weak keys
// when it is made, never later (norms.md 111-113).
//
// [Parse] reads DER and BER. [SignedData.Verify] accepts a signature only if
// there is one signer, whose certificate is enclosed, every signed attribute
// stands once, those that say something about the signature are true, and the
// key's signature is over the attributes as they were received. It says
// nothing about who the signer is: that is [Signature.Chain], the SAN
// ([Email]) and the provider directory, which is not known here.
//
// A [Splitter] finds and hashes the signed octets of a message while it
// arrives. It takes exactly one pass and keeps no content. Its result does not
// depend on how the octets were cut into writes.
//
// # Failure
//
// Foreign octets never panic and need bounded memory. What is wrong is told by
// an error that wraps one of the sentinels of this package. A header, part or
// boundary that two parsers could read differently is refused, not guessed at.
//
// # Not here
//
// Lines end in CRLF, as on the wire: messages stored with bare LF are not
// recognised as signed. Signatures without signed attributes and with more than one
// signer are refused. Revocation is the caller's. Chain verification follows
// crypto/x509, which refuses certificates signed with SHA-1, so signatures of
// the time before 2017 verify but have no chain.
package smime
