package verify

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/smime"
)

// Trust is what is held for true while a message is verified. The zero value trusts nobody.
type Trust struct {
	// Anchors are the authorities that providers' certificates lead to; nil: whoever signed is in doubt.
	Anchors *smime.Anchors
	// Directory is the providers' directory for an instant, nil if there is none, and whether it was in force then. Without
	// the function or a directory, only a certificate that an anchor itself issued is a provider's: an anchor is taken for an
	// authority that certifies providers, and what stands below it may certify anybody.
	Directory func(at time.Time) (dir *directory.Directory, then bool)
	// Revocation is what is known of a path's certificates at an instant; nil: nothing.
	Revocation func(path []*x509.Certificate, at time.Time) revocation.Status
	// At is the instant for which dates are judged; zero: that of the signature.
	At time.Time
	// SHA1Signed bears signatures with SHA-1 digests from before this instant; later ones are in doubt (norms.md 52, quirks.md E6).
	SHA1Signed time.Time
	// SHA1Issued bears certificates signed with SHA-1 that are valid from before this instant.
	SHA1Issued time.Time
}

// Result is what the checks found. What a failed check or a later one would have told is missing.
type Result struct {
	Message    *pec.Message        // as far as it could be read; its data count only if the signature verifies
	Signature  *smime.Signature    // nil unless it verifies over the octets
	Digest     []byte              // SHA-256 of the signed octets
	At         time.Time           // the instant for which dates were judged
	Path       []*x509.Certificate // from the signer to an anchor, at that instant
	Entry      *directory.Entry    // of the directory that holds the signer's certificate
	Directory  *directory.Directory
	Then       bool // that directory was in force at the instant
	Revocation revocation.Status
	Fault      *Fault
	Doubts     []Doubt

	inside  bool // Message.Inside
	encoded bool // the original was not looked into (quirks.md A13)
}

// Verify makes the checks. The octets, which may be nil, are read again where the signature has a digest algorithm that did
// not run while they passed. The error is ErrUnread; whatever is wrong with the message is in the Result.
func (t *Trust) Verify(m *Message, octets io.ReaderAt) (*Result, error) {
	r := &Result{inside: m.Inside}
	var formal error
	r.Message, formal = pec.ParseMessage(m.Parts)
	if r.Fault = r.checkExistence(m); r.Fault != nil {
		return r, nil
	}
	sig, err := m.signature(octets)
	if errors.Is(err, ErrUnread) {
		return nil, err
	}
	if err != nil {
		r.Fault = unverified(err)
		return r, nil
	}
	r.Signature = sig
	r.Digest, _ = m.Signed.Digest(crypto.SHA256)
	r.At = t.instant(r)
	var pathErr error
	r.Path, pathErr = t.path(r)
	if r.Fault = t.checkOrigin(r); r.Fault == nil {
		r.Fault = t.checkValidity(r, pathErr)
	}
	switch {
	case r.Fault != nil:
	case m.Parts.Truncated:
		r.doubt(Form, TooManyParts, pec.ErrTruncated.Error())
	case formal != nil:
		r.Fault = malformed(formal)
	default:
		r.Fault = r.checkForm()
	}
	return r, nil
}

// checkForm compares header, certification data and original (norms.md 53, attacks.md 14).
func (r *Result) checkForm() *Fault {
	agree := r.Message.AgreesInside
	if !r.inside {
		signer := pec.Address(smime.Email(r.Signature.Certificate))
		agree = func() error { return r.Message.Agrees(signer) }
	}
	err := agree()
	var c *pec.Contradiction
	if errors.As(err, &c) && c.In == pec.UnknownKind {
		r.doubt(Form, UnknownKind, c.What)
		return nil
	}
	if err != nil {
		return malformed(err)
	}
	return nil
}

func (r *Result) checkExistence(m *Message) *Fault {
	if m.Unsigned != nil {
		return unverified(m.Unsigned)
	}
	if m.Parts.Truncated { // who reads it does not see all of it; what that means is for formal correctness
		return nil
	}
	// Two readers looked at the octets. What one hashed must be what the other read (attacks.md 13, 20).
	if p := r.Message.SignedPart(); p == nil || p.Start != m.Signed.Start || p.End != m.Signed.End {
		return fails(Existence, Unreadable, "what is signed and what is read are not the same octets")
	}
	return nil
}

// instant is when the signature was made as far as the message says: its own word, or else the certification data's.
func (t *Trust) instant(r *Result) time.Time {
	switch {
	case !t.At.IsZero():
		return t.At
	case !r.Signature.SigningTime.IsZero():
		return r.Signature.SigningTime
	}
	return r.Message.Data.At
}

// checkOrigin looks for the certificate in the directory, compared as a whole (norms.md 48).
func (t *Trust) checkOrigin(r *Result) *Fault {
	if t.Directory != nil {
		r.Directory, r.Then = t.Directory(r.At)
	}
	if r.Directory == nil {
		if t.Anchors != nil && r.Path != nil && len(r.Path) != 2 {
			r.doubt(Origin, NoDirectory, "no directory is given, and the signer's certificate was not issued by an anchor itself")
		}
		return nil
	}
	r.Entry, _ = r.Directory.Signer(r.Signature.Certificate)
	switch {
	case r.Entry != nil:
	case r.Then:
		return fails(Origin, NotListed, "the certificate %q is no provider's in the directory", r.Signature.Certificate.Subject)
	case len(r.Path) != 2:
		r.doubt(Origin, AnotherDay, "the directory is of another day, and has no provider with this certificate")
	}
	return nil
}

// path is the certificates from the signer to an anchor.
func (t *Trust) path(r *Result) ([]*x509.Certificate, error) {
	if t.Anchors == nil {
		return nil, nil
	}
	return r.Signature.Path(t.Anchors, smime.PathPolicy{At: r.At, SHA1Issued: t.SHA1Issued})
}

// checkValidity looks at the certificates: their path and dates, and whether they were revoked (norms.md 49). pathErr is why there is
// no path.
func (t *Trust) checkValidity(r *Result, pathErr error) *Fault {
	if r.Signature.Hash == crypto.SHA1 && !r.At.Before(t.SHA1Signed) {
		r.doubt(Validity, DigestTooOld, "the digest is SHA-1, of which two messages can have the same")
	}
	if t.Anchors == nil {
		r.doubt(Validity, NoAnchors, "no trust anchor is given")
		return nil
	}
	if r.At.IsZero() {
		return fails(Validity, Untrusted, "the message does not say when it was signed")
	}
	if pathErr != nil {
		return pathless(pathErr)
	}
	if t.Revocation == nil {
		return nil
	}
	r.Revocation = t.Revocation(r.Path, r.At)
	if r.Revocation.State == revocation.Revoked {
		return fails(Validity, Revoked, "the certificate was revoked on %s%s", r.Revocation.At.UTC().Format(time.RFC3339), because(r.Revocation.Reason))
	}
	if later := r.Revocation.Later; later != nil && compromised(later.Reason) {
		r.doubt(Validity, Compromised, fmt.Sprintf("the certificate was revoked later%s, so that the signing time may be another's word", because(later.Reason)))
	}
	return nil
}

// compromised tells the reasons of RFC 5280 5.3.1 after which a signing time, which is the key holder's word, proves nothing.
func compromised(reason string) bool {
	return reason == revocation.KeyCompromise || reason == "cACompromise"
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", reason)
}

func (r *Result) doubt(check Check, reason Reason, what string) {
	r.Doubts = append(r.Doubts, Doubt{check, reason, what})
}
