package verify

import (
	"errors"
	"fmt"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// Check is one of the four checks of RFC 6109 2.2.2, as records and logs name it.
type Check string

// The checks in their order. To know whose a signature is, it has to be read first; so one that does not verify fails
// Validity although Origin was never asked.
const (
	Existence Check = "signature exists"
	Origin    Check = "signature origin"
	Validity  Check = "signature validity"
	Form      Check = "formal correctness"
)

// Checks are the four in their order.
func Checks() []Check { return []Check{Existence, Origin, Validity, Form} }

// Reason says what exactly is wrong, or not known: a word for programs, which does not change between versions.
type Reason string

// The reasons why a check fails.
const (
	NotSigned    Reason = "not-signed"           // the message itself is not multipart/signed
	Unreadable   Reason = "signature-unreadable" // its MIME structure or the signature cannot be read without guessing
	SeveralSign  Reason = "several-signers"      // or none: certified mail has one
	Altered      Reason = "content-altered"      // the octets are not those that were signed
	WrongValue   Reason = "signature-wrong"      // the signature is not that key's over these attributes
	WrongMarks   Reason = "attributes-wrong"     // a signed attribute is missing, repeated or untrue
	NoSigner     Reason = "certificate-missing"  // the signer's certificate is not enclosed
	Algorithm    Reason = "algorithm-refused"    // an algorithm or a key that is not accepted
	Untrusted    Reason = "issuer-untrusted"     // no path to an anchor
	Unfit        Reason = "certificate-unfit"    // a usage, constraint or extension bars it from signing mail
	Expired      Reason = "certificate-expired"  // at that instant
	Early        Reason = "certificate-not-yet-valid"
	Revoked      Reason = "certificate-revoked"
	NotListed    Reason = "not-in-directory" // the certificate is no provider's in the directory of that day
	OtherDomain  Reason = "wrong-provider"   // the signer does not manage the domain that it speaks for
	BadHeader    Reason = "header-unreadable"
	BadParts     Reason = "parts-wrong"     // what is signed is not built as certified mail is
	NoData       Reason = "data-missing"    // there are no certification data
	BadData      Reason = "data-unreadable" // they cannot be read, or are there twice
	OtherAuthor  Reason = "author-differs"
	OtherKind    Reason = "kind-differs"
	OtherPerson  Reason = "recipient-differs"
	OtherID      Reason = "identifier-differs"
	NoOriginal   Reason = "original-missing"
	Encoded      Reason = "original-encoded" // so that it was not looked into; of a kept message a note
	OtherSubject Reason = "subject-differs"
	OtherClient  Reason = "reference-differs"
	OtherTime    Reason = "times-differ"    // a doubt if by more than a day, else a note
	Repeated     Reason = "header-repeated" // a field that people see is there twice
	OtherSender  Reason = "sender-differs"
)

// The reasons why something is not known.
const (
	NoAnchors    Reason = "no-anchors"      // none is given, so that no certificate can be trusted
	NoDirectory  Reason = "no-directory"    // none is given, and no anchor itself issued the signer's certificate
	AnotherDay   Reason = "directory-other" // the directory is of another day, and does not confirm the signer
	DigestTooOld Reason = "digest-weak"     // SHA-1 at a time when it proves nothing any more
	Compromised  Reason = "key-compromised" // the certificate was revoked later, for its key was in other hands
	TooManyParts Reason = "too-many-parts"  // more than are looked at, so that nobody can say what the message is
	UnknownKind  Reason = "kind-unknown"    // the rules do not know what kind of message it says to be
)

// Fault is a check that failed.
type Fault struct {
	Check  Check
	Reason Reason
	Err    error
}

func (f *Fault) Error() string { return string(f.Check) + ": " + f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// Doubt is what a check could not decide.
type Doubt struct {
	Check  Check
	Reason Reason
	What   string
}

func fails(check Check, reason Reason, format string, args ...any) *Fault {
	return &Fault{check, reason, fmt.Errorf(format, args...)}
}

// unverified is the fault of a signature that is not there or does not verify.
func unverified(err error) *Fault {
	for _, f := range []struct {
		is     error
		check  Check
		reason Reason
	}{
		{smime.ErrNotSigned, Existence, NotSigned},
		{smime.ErrMalformed, Existence, Unreadable},
		{smime.ErrSigners, Validity, SeveralSign},
		{smime.ErrDigest, Validity, Altered},
		{smime.ErrAttributes, Validity, WrongMarks},
		{smime.ErrNoCertificate, Validity, NoSigner},
		{smime.ErrAlgorithm, Validity, Algorithm},
	} {
		if errors.Is(err, f.is) {
			return &Fault{f.check, f.reason, err}
		}
	}
	return &Fault{Validity, WrongValue, err}
}

// pathless is the fault of a certificate without a path to an anchor.
func pathless(err error) *Fault {
	reason := Untrusted
	switch {
	case errors.Is(err, smime.ErrExpired):
		reason = Expired
	case errors.Is(err, smime.ErrNotYetValid):
		reason = Early
	case errors.Is(err, smime.ErrConstraint):
		reason = Unfit
	case errors.Is(err, smime.ErrAlgorithm):
		reason = Algorithm
	}
	return &Fault{Validity, reason, err}
}

// malformed is the fault of a message that is not formally right.
func malformed(err error) *Fault {
	var c *pec.Contradiction
	if errors.As(err, &c) {
		return &Fault{Form, contradicted(c.In), err}
	}
	reason := BadParts
	switch {
	case errors.Is(err, pec.ErrHeader):
		reason = BadHeader
	case errors.Is(err, pec.ErrNoCertData):
		reason = NoData
	case errors.Is(err, pec.ErrBadCertData):
		reason = BadData
	}
	return &Fault{Form, reason, err}
}

func contradicted(in pec.Contradicted) Reason {
	switch in {
	case pec.ContradictedAuthor:
		return OtherAuthor
	case pec.ContradictedKind:
		return OtherKind
	case pec.ContradictedRecipient:
		return OtherPerson
	case pec.ContradictedOriginal:
		return NoOriginal
	case pec.EncodedOriginal:
		return Encoded
	}
	return OtherID
}
