// Package smime signs and verifies the CMS signatures of certified mail: the
// detached ones of multipart/signed messages and the attached ones of .p7m
// files (RFC 5652, RFC 8551, norms.md 1.6). It needs nothing of the other
// packages; nothing is on disk, and no clock is read.
//
// # What it guarantees
//
// A [Signer] emits DER with SHA-256, one SignerInfo, the certificate of the
// signer and its intermediates, and the signed attributes contentType,
// signingTime, messageDigest and signing-certificate-v2. It refuses weak keys
// when it is made, never later (norms.md 111-113).
//
// A [Splitter] finds and hashes the signed octets of a message while it
// arrives. It takes exactly one pass and keeps no content. Its result does not
// depend on how the octets were cut into writes. A header, part or boundary
// that two parsers could read differently is refused, not guessed at
// (attacks.md 13, 20).
//
// [Parse] reads DER and BER. A signature is accepted only if the certificate of
// its signer is enclosed, every signed attribute stands once, those that say
// something about the signature are true, and the key's signature is over the
// attributes as they were received. Digests are SHA-1, SHA-256, SHA-384 and
// SHA-512; keys RSA of 1024 to 8192 bits, with PKCS #1 v1.5 or PSS, and ECDSA
// on P-256, P-384 and P-521. [SignedData.Verify] wants one signer;
// [SignedData.VerifyAll] takes several, of whom every one must be good
// (attacks.md 12).
//
// That says nothing yet about who the signer is. [Signature.Path] leads from
// his certificate to one of the caller's [Anchors], at an instant and under a
// [PathPolicy]: RFC 5280 6.1, but for revocation and certificate policies. It
// bears what crypto/x509 refuses and ten years of archives hold: SHA-1 before a
// day that the caller sets, authorities that were issued anew with one key,
// constraints on names of directories that are not critical (quirks.md E6, E8
// to E12, norms.md 120). [Signature.Weaknesses] tells what of it is weak.
// [Email] is the address for which a certificate stands. Revocation and the
// providers' directory are the caller's.
//
// Offsets and digests are those of the octets as they came. [NewCRLFReader]
// gives a message that was stored with bare LF the line ends of the wire, for a
// second look after the first has failed (quirks.md E14).
//
// # Failure
//
// Foreign octets never panic, need bounded memory and cause a bounded number of
// checks of signatures. What is wrong is told by an error that wraps one of the
// sentinels of this package. A digest that is not at hand is asked for with a
// [NeedDigest].
//
// # Compared with openssl
//
// The tests mutate messages and certificates and compare with `openssl cms
// -verify` and `openssl verify` at its lowest level of security. What is valid
// here is valid there, for the same octets, but for this:
//
//   - Certificates, attributes and parameters of algorithms may be BER; they
//     are judged as the DER that they stand for (norms.md 51).
//   - A certificate in the bag that cannot be read, and that nobody needs, does
//     no harm.
//   - A parameter of a Content-Type that has no value is passed over.
//   - The dates of an anchor do not count.
//   - The second of notAfter is within the validity (RFC 5280 4.1.2.5), and
//     dates count whole seconds.
//   - Any extended key usage serves for mail too (RFC 5280 4.2.1.12).
//   - Constraints on names of directories are passed over unless they are
//     critical; critical ones are refused, whatever they say.
//
// # Not here
//
// Signatures without signed attributes are refused, and so are signed messages
// inside of others: only the outermost counts. Nothing is encrypted or
// decrypted. Time stamps and other unsigned attributes are passed over.
package smime
