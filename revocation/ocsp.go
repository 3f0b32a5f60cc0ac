package revocation

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	maxAnswer        = 1 << 20                // octets; an OCSP response has a few thousand
	oidArchiveCutoff = "1.3.6.1.5.5.7.48.1.6" // RFC 6960 4.4.4
)

// answer is an OCSP response about one certificate.
type answer struct {
	response *ocsp.Response
	id       certID
	revoked  *revocation // nil unless the response says so
	unusable error
}

// certID says whom a response is about (RFC 6960 4.1.1). x/crypto/ocsp compares serial numbers only.
type certID struct {
	Algorithm    pkix.AlgorithmIdentifier
	NameHash     []byte
	KeyHash      []byte
	SerialNumber *big.Int
}

func parseAnswer(der []byte) (*piece, error) {
	if len(der) > maxAnswer {
		return nil, fmt.Errorf("read OCSP response: it has %d octets, more than %d", len(der), maxAnswer)
	}
	response, err := ocsp.ParseResponse(der, nil)
	if err != nil {
		return nil, fmt.Errorf("read OCSP response: %w", err)
	}
	a := &answer{response: response}
	if err := a.parseData(response.TBSResponseData); err != nil {
		return nil, fmt.Errorf("read OCSP response: %w", err)
	}
	p := &piece{
		der: der, isAnswer: true, key: serialKey(response.SerialNumber), source: "OCSP response " + a.responder(),
		thisUpdate: response.ThisUpdate, nextUpdate: response.NextUpdate, says: a.says, signedBy: a.signedBy,
	}
	if response.Status == ocsp.Revoked {
		a.revoked = &revocation{since: response.RevokedAt, reason: reasonName(response.RevocationReason)}
	}
	for _, x := range response.Extensions {
		if err := a.extend(p, x); err != nil {
			return nil, fmt.Errorf("read OCSP response: %w", err)
		}
	}
	p.until = p.end()
	return p, nil
}

// parseData reads what x/crypto/ocsp leaves aside.
func (a *answer) parseData(tbs []byte) error {
	var data struct {
		Version     int `asn1:"optional,default:0,explicit,tag:0"`
		ResponderID asn1.RawValue
		ProducedAt  time.Time `asn1:"generalized"`
		Responses   []struct{ ID certID }
		Extensions  []pkix.Extension `asn1:"optional,explicit,tag:1"`
	}
	if _, err := asn1.Unmarshal(tbs, &data); err != nil || len(data.Responses) != 1 {
		return errors.New("it is not about one certificate")
	}
	a.id = data.Responses[0].ID
	for _, x := range data.Extensions {
		if x.Critical {
			a.unusable = fmt.Errorf("its critical extension %s is not understood", x.Id)
		}
	}
	return nil
}

func (a *answer) extend(p *piece, x pkix.Extension) (err error) {
	if is(x.Id, oidArchiveCutoff) {
		p.keepsExpired, err = parseDate(x.Value, "archive cut-off")
	} else if a.revoked != nil {
		_, err = a.revoked.extend(x.Id, x.Value)
	}
	return err
}

// responder is who signed, for people.
func (a *answer) responder() string {
	if c := a.response.Certificate; c != nil {
		return "by " + c.Subject.String()
	}
	return fmt.Sprintf("for serial number %x", a.response.SerialNumber)
}

func (a *answer) says(cert, issuer *x509.Certificate) (*revocation, error) {
	if a.unusable != nil {
		return nil, a.unusable
	}
	if cert.SerialNumber.Cmp(a.response.SerialNumber) != 0 {
		return nil, errors.New("it is about another certificate")
	}
	if err := a.signedBy(issuer); err != nil {
		return nil, err
	}
	if a.response.Status == ocsp.Unknown {
		return nil, errors.New("the responder does not know the certificate")
	}
	return a.revoked, nil
}

// signedBy accepts the issuer's own signature and that of a responder to whom the issuer itself gave the right (RFC 6960 4.2.2.2).
func (a *answer) signedBy(issuer *x509.Certificate) error {
	if err := a.id.names(issuer, a.response); err != nil {
		return err
	}
	responder := a.response.Certificate
	signer := cmp.Or(responder, issuer)
	if err := checkSignature(signer, a.response.SignatureAlgorithm, a.response.TBSResponseData, a.response.Signature); err != nil {
		return err
	}
	if bytes.Equal(signer.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) {
		return nil
	}
	produced := a.response.ProducedAt
	switch err := responder.CheckSignatureFrom(issuer); {
	case err != nil:
		return fmt.Errorf("its responder %s was not appointed by the issuer: %w", responder.Subject, err)
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("its responder %s may not sign OCSP responses", responder.Subject)
	case produced.Before(responder.NotBefore) || produced.After(responder.NotAfter):
		return fmt.Errorf("the certificate of its responder %s was not valid at %s", responder.Subject, instant(produced))
	}
	return nil
}

// names is the error why the response is about a certificate of somebody else.
func (id certID) names(issuer *x509.Certificate, response *ocsp.Response) error {
	if !response.IssuerHash.Available() {
		return errors.New("its hash algorithm is not available")
	}
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		Bits      asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &key); err != nil {
		return fmt.Errorf("read the issuer's public key: %w", err)
	}
	hash := func(octets []byte) []byte {
		h := response.IssuerHash.New()
		h.Write(octets)
		return h.Sum(nil)
	}
	if !bytes.Equal(id.NameHash, hash(issuer.RawSubject)) || !bytes.Equal(id.KeyHash, hash(key.Bits.RightAlign())) {
		return fmt.Errorf("it is not about a certificate of %s", issuer.Subject)
	}
	return nil
}
