package revocation

import (
	"crypto/x509"
	"strconv"
	"time"
)

// State is what is known of a certificate at an instant.
type State string

// The three states. Unknown is no verdict: what to do with it is the caller's policy.
const (
	Good    State = "good"
	Revoked State = "revoked"
	Unknown State = "unknown"
)

// KeyCompromise is the Reason that puts in doubt signatures from before the revocation too: their time is only what the signer claims.
const KeyCompromise = "keyCompromise"

// hold is the only reason of a revocation that may end.
const hold = "certificateHold"

// Status is what was known of one certificate at one instant, and from what.
type Status struct {
	State       State
	Certificate *x509.Certificate // whom it is about; of a path, the certificate that decided
	At          time.Time         // Revoked: since when (the invalidity date, RFC 5280 5.3.2, if that is earlier)
	Reason      string            // Revoked: RFC 5280 5.3.1, "" if none was said
	AsOf        time.Time         // thisUpdate of the evidence that decided
	Source      string            // "CRL of ..." or "OCSP of ...", for people
	Why         string            // Unknown: why, for people
	Later       *Status           // Good: the revocation that came after the instant, if one is known
}

// reasons are the names of RFC 5280 5.3.1; 7 is not used.
func reasonName(code int) string {
	names := [...]string{"", KeyCompromise, "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation", hold, "",
		"removeFromCRL", "privilegeWithdrawn", "aACompromise"}
	if code < 0 || code >= len(names) {
		return "reason " + strconv.Itoa(code)
	}
	return names[code]
}

// worse tells which of two statuses of one path decides: Revoked before Unknown before Good, and of two good ones the one revoked later.
func (s Status) worse(t Status) bool { return s.rank() > t.rank() }

func (s Status) rank() int {
	switch {
	case s.State == Revoked:
		return 3
	case s.State == Unknown:
		return 2
	case s.Later != nil:
		return 1
	}
	return 0
}
