package revocation

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// grace is how long after nextUpdate a piece still counts: authorities publish a little late.
const grace = time.Hour

// Evidence is an immutable set of CRLs and OCSP responses. The zero value and nil know nothing. Safe for concurrent use.
type Evidence struct {
	crls    map[string][]*piece // by the issuer's name, raw
	answers map[string][]*piece // OCSP, by the certificate's serial number
}

// New takes CRLs and OCSP responses, each DER or PEM (a PEM blob may hold several), of at most 32 MiB and about a million entries. It
// keeps the blobs: they must not change. The error says which blob is at fault and why. Signatures are verified when a status is
// asked for, because only then the issuer is known.
func New(blobs ...[]byte) (*Evidence, error) { return new(Evidence).With(blobs...) }

// With is e and more, as New takes it. e stays as it was.
func (e *Evidence) With(blobs ...[]byte) (*Evidence, error) {
	var pieces []*piece
	for i, blob := range blobs {
		parsed, err := parse(blob)
		if err != nil {
			return nil, fmt.Errorf("revocation evidence %d of %d: %w", i+1, len(blobs), err)
		}
		pieces = append(pieces, parsed...)
	}
	return e.with(pieces), nil
}

func (e *Evidence) with(pieces []*piece) *Evidence {
	more := &Evidence{crls: map[string][]*piece{}, answers: map[string][]*piece{}}
	if e != nil {
		maps.Copy(more.crls, e.crls)
		maps.Copy(more.answers, e.answers)
	}
	for _, p := range pieces {
		index, key := more.crls, p.key
		if p.isAnswer {
			index = more.answers
		}
		same := func(other *piece) bool { return bytes.Equal(other.der, p.der) }
		if !slices.ContainsFunc(index[key], same) {
			index[key] = append(slices.Clip(index[key]), p)
		}
	}
	return more
}

// Status says what was known of cert at the instant. issuer is who issued it, the next in the path, which the caller has verified.
func (e *Evidence) Status(cert, issuer *x509.Certificate, at time.Time) Status {
	findings, silent := e.consult(cert, issuer)
	if s, ok := revokedBy(findings, at); ok {
		s.Certificate = cert
		return s
	}
	deciding, more := deciding(findings, cert, at)
	if deciding == nil {
		return Status{State: Unknown, Certificate: cert, Why: explain(append(silent, more...), issuer)}
	}
	s := deciding.status()
	if s.State == Revoked && s.At.After(at) {
		s = Status{State: Good, AsOf: s.AsOf, Source: s.Source}
	}
	if s.State == Good {
		s.Later = revokedAfter(findings, cert, at)
	}
	s.Certificate = cert
	return s
}

// Path is the status of a whole path from signer to anchor: Revoked if one is, else Unknown if one is, else Good, preferably one that was revoked
// later. The anchor itself is not looked at: it is trusted because somebody chose it. An empty path is Unknown.
func (e *Evidence) Path(path []*x509.Certificate, at time.Time) Status {
	if len(path) == 0 {
		return Status{State: Unknown, Why: "there is no certificate path"}
	}
	worst := Status{State: Good, Certificate: path[0]}
	for i, issuer := range path[1:] {
		if s := e.Status(path[i], issuer, at); i == 0 || s.worse(worst) {
			worst = s
		}
	}
	return worst
}

// finding is what one piece says of one certificate.
type finding struct {
	*piece
	revoked *revocation // nil: not revoked as of thisUpdate
}

// consult asks every piece that might speak of the certificate. silent says why others do not count.
func (e *Evidence) consult(cert, issuer *x509.Certificate) (findings []finding, silent []error) {
	if e == nil {
		return nil, nil
	}
	for _, p := range slices.Concat(e.crls[string(issuer.RawSubject)], e.answers[serialKey(cert.SerialNumber)]) {
		revoked, err := p.says(cert, issuer)
		if err != nil {
			silent = append(silent, fmt.Errorf("the %s: %w", p, err))
			continue
		}
		findings = append(findings, finding{p, revoked})
	}
	slices.SortStableFunc(findings, func(a, b finding) int { return a.thisUpdate.Compare(b.thisUpdate) })
	return findings, silent
}

// revokedBy finds the earliest revocation that was in force at the instant for certain. It counts however old the piece is: a final one stays,
// and a hold was not lifted before the piece was made that tells of it.
func revokedBy(findings []finding, at time.Time) (Status, bool) {
	found := first(findings, func(f finding) bool {
		return !f.revoked.since.After(at) && (f.revoked.reason != hold || !f.thisUpdate.Before(at))
	})
	if found == nil {
		return Status{}, false
	}
	return found.status(), true
}

// revokedAfter finds the earliest revocation after the instant.
func revokedAfter(findings []finding, cert *x509.Certificate, at time.Time) *Status {
	found := first(findings, func(f finding) bool { return f.revoked.since.After(at) })
	if found == nil {
		return nil
	}
	s := found.status()
	s.Certificate = cert
	return &s
}

// first is the finding with the earliest of the revocations that count.
func first(findings []finding, counts func(finding) bool) *finding {
	listed := slices.DeleteFunc(slices.Clone(findings), func(f finding) bool { return f.revoked == nil || !counts(f) })
	if len(listed) == 0 {
		return nil
	}
	earliest := slices.MinFunc(listed, func(a, b finding) int { return a.revoked.since.Compare(b.revoked.since) })
	return &earliest
}

// deciding is the newest finding that was made by the instant and still speaks of it; if there is none, the first made after it.
func deciding(findings []finding, cert *x509.Certificate, at time.Time) (chosen *finding, silent []error) {
	for i, f := range findings {
		if err := f.speaksOf(cert, at); err != nil {
			silent = append(silent, fmt.Errorf("the %s: %w", f.piece, err))
		} else if chosen == nil || !f.thisUpdate.After(at) {
			chosen = &findings[i]
		}
	}
	return chosen, silent
}

// speaksOf is the error why the finding says nothing of the instant.
func (f finding) speaksOf(cert *x509.Certificate, at time.Time) error {
	switch {
	case at.After(f.until):
		return fmt.Errorf("it counts until %s only", instant(f.until))
	case f.revoked == nil && f.thisUpdate.After(cert.NotAfter) && (f.keepsExpired.IsZero() || f.keepsExpired.After(cert.NotAfter)):
		return fmt.Errorf("it was made after the certificate had expired at %s", instant(cert.NotAfter))
	}
	return nil
}

func (f finding) status() Status {
	s := Status{State: Good, AsOf: f.thisUpdate, Source: f.source}
	if f.revoked != nil {
		s.State, s.At, s.Reason = Revoked, f.revoked.since, f.revoked.reason
	}
	return s
}

// explain says for people why nothing is known.
func explain(silent []error, issuer *x509.Certificate) string {
	const enough = 3 // of an archive with a CRL for each day
	if len(silent) == 0 {
		return "there is no CRL and no OCSP response of " + issuer.Subject.String()
	}
	var said []string
	for _, err := range silent[max(0, len(silent)-enough):] {
		said = append(said, err.Error())
	}
	if more := len(silent) - len(said); more > 0 {
		said = append(said, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(said, "; ")
}
