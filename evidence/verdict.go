package evidence

import "github.com/ceralacca/ceralacca/verify"

// Verdict says what a message is worth.
type Verdict string

// The verdicts.
const (
	Valid    Verdict = "valid"    // every check passed
	Invalid  Verdict = "invalid"  // a check failed
	Unknown  Verdict = "unknown"  // something could not be decided with what was given
	Ordinary Verdict = "ordinary" // it is no certified mail and does not say that it is
)

// Reason is why a message is invalid or unknown.
type Reason struct {
	Check  verify.Check  `json:"check"`  // of RFC 6109 2.2.2, the one that decided
	Code   verify.Reason `json:"code"`   // for programs; does not change between versions
	Detail string        `json:"detail"` // for people who look into it, in English
}

// FutureTime is the doubt about a signature that says to be made after the instant of the report.
const FutureTime verify.Reason = "time-in-future"

// Limit is something that a verdict does not prove.
type Limit string

// The limits.
const (
	LimitTime       Limit = "time-claimed"       // the instants are what the provider said; no third party attests them
	LimitRevocation Limit = "revocation-unknown" // whether the certificate had been revoked then is not known
	LimitDirectory  Limit = "no-directory"       // no directory was given: that the signer was a provider follows from its issuer
	LimitOtherDay   Limit = "directory-other"    // the directory is of another day
	LimitDigest     Limit = "weak-signature"     // a digest, key or certificate that is accepted for its age only
	LimitContent    Limit = "content-elsewhere"  // a concise receipt or an acceptance does not contain the message
	LimitHashes     Limit = "content-by-hash"    // a brief receipt has hashes in the place of attachments
	LimitPerson     Limit = "person"             // who used the mailbox is not attested
	LimitHeader     Limit = "header-missing"     // it was found without its own header
	LimitWrapped    Limit = "ordinary-inside"    // an anomaly envelope says nothing for what is in it
)
