package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxPiece bounds a CRL or OCSP response, in octets; the largest CRLs known have about 10 MB.
const maxPiece = 32 << 20

// piece is one CRL or one OCSP response.
type piece struct {
	der          []byte
	isAnswer     bool   // an OCSP response
	key          string // under which Evidence finds it
	source       string // for people
	thisUpdate   time.Time
	nextUpdate   time.Time // zero: not said
	until        time.Time // the last instant of which it speaks: end, or what a Keeper makes of it
	had          time.Time // in a Keeper: when the network last gave it
	keepsExpired time.Time // it speaks too of certificates that expired from then on; zero: not said
	number       *big.Int  // of a CRL; nil: not said
	scope        []byte    // of a CRL: its issuing distribution point; pieces of one key and scope follow each other

	// says is what it says of a certificate: nil for not revoked, an error if it has nothing to say, or not with this issuer.
	says func(cert, issuer *x509.Certificate) (*revocation, error)
	// signedBy is the error why it does not count as a word of this issuer.
	signedBy func(issuer *x509.Certificate) error
}

// revocation is an entry of a CRL, or the like in an OCSP response.
type revocation struct {
	since  time.Time
	reason string
}

func (p *piece) String() string { return p.source + " of " + instant(p.thisUpdate) }

// end is the last instant of which the piece speaks by itself.
func (p *piece) end() time.Time { return latest(p.thisUpdate, p.nextUpdate).Add(grace) }

// follows tells that the other one is about the same, so that the newer of the two replaces the older.
func (p *piece) follows(other *piece) bool {
	return p.isAnswer == other.isAnswer && p.key == other.key && bytes.Equal(p.scope, other.scope)
}

// olderThan goes by the CRL number and by thisUpdate: neither may go back (RFC 5280 5.2.3).
func (p *piece) olderThan(other *piece) bool {
	if p.number != nil && other.number != nil && p.number.Cmp(other.number) < 0 {
		return true
	}
	return p.thisUpdate.Before(other.thisUpdate)
}

// parse reads a blob in either form.
func parse(blob []byte) ([]*piece, error) {
	isDER := len(blob) > 0 && blob[0] == 0x30 // a SEQUENCE
	if isDER || !bytes.Contains(blob, []byte("-----BEGIN ")) {
		p, err := parseDER(blob)
		if err != nil {
			return nil, err
		}
		return []*piece{p}, nil
	}
	var pieces []*piece
	for block, rest := pem.Decode(blob); block != nil; block, rest = pem.Decode(rest) {
		p, err := parseDER(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("PEM block %.40q: %w", block.Type, err)
		}
		pieces = append(pieces, p)
	}
	if len(pieces) == 0 {
		return nil, errors.New("it looks like PEM but no block of it can be read")
	}
	return pieces, nil
}

// parseDER tells a CRL from an OCSP response by how they begin.
func parseDER(der []byte) (*piece, error) {
	if len(der) > maxPiece {
		return nil, fmt.Errorf("it has %d octets, more than %d", len(der), maxPiece)
	}
	var content cryptobyte.String
	outer := cryptobyte.String(der)
	if !outer.ReadASN1(&content, cbasn1.SEQUENCE) || !outer.Empty() {
		return nil, errors.New("it is no CRL and no OCSP response, neither in DER nor in PEM")
	}
	if content.PeekASN1Tag(cbasn1.ENUM) {
		return parseAnswer(der)
	}
	return parseCRL(der)
}

// serialKey is what a serial number is found by: its magnitude. crypto/x509 reads no certificate with a negative one.
func serialKey(serial *big.Int) string { return string(serial.Bytes()) }

// parseDate reads an extension that is one GeneralizedTime.
func parseDate(value []byte, what string) (time.Time, error) {
	var t time.Time
	in := cryptobyte.String(value)
	if !in.ReadASN1GeneralizedTime(&t) || !in.Empty() {
		return time.Time{}, fmt.Errorf("its %s cannot be read", what)
	}
	return t, nil
}

// is compares with an identifier in dots.
func is(id asn1.ObjectIdentifier, dotted string) bool { return id.String() == dotted }

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
