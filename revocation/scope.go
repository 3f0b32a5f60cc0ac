package revocation

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// scope is what an issuing distribution point says (RFC 5280 5.2.5): for whom the list is.
type scope struct {
	points                   []string // URLs; the certificate must name one of them
	named                    bool     // there is a distribution point, whatever its form
	onlyUsers, onlyCAs, none bool
	why                      string // of none
}

func parseScope(value []byte) (s scope, err error) {
	var raw struct {
		Point          asn1.RawValue  `asn1:"optional,tag:0"`
		OnlyUsers      bool           `asn1:"optional,tag:1"`
		OnlyCAs        bool           `asn1:"optional,tag:2"`
		SomeReasons    asn1.BitString `asn1:"optional,tag:3"`
		Indirect       bool           `asn1:"optional,tag:4"`
		OnlyAttributes bool           `asn1:"optional,tag:5"`
	}
	if rest, err := asn1.Unmarshal(value, &raw); err != nil || len(rest) > 0 {
		return s, errors.New("its issuing distribution point cannot be read")
	}
	s.onlyUsers, s.onlyCAs = raw.OnlyUsers, raw.OnlyCAs
	switch {
	case raw.Indirect:
		s.why = "it is an indirect CRL, which is not used"
	case raw.OnlyAttributes:
		s.why = "it is for attribute certificates only"
	case raw.SomeReasons.BitLength > 0:
		s.why = "it is for some reasons of revocation only"
	}
	s.none = s.why != ""
	s.named = len(raw.Point.FullBytes) > 0
	s.points = urls(raw.Point.Bytes)
	return s, nil
}

// urls are those in the full name of a distribution point; the other forms are not used.
func urls(point cryptobyte.String) (found []string) {
	const uri = cbasn1.Tag(6)
	var names, name cryptobyte.String
	var tag cbasn1.Tag
	if !point.ReadASN1(&names, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return nil
	}
	for names.ReadAnyASN1(&name, &tag) {
		if tag == uri.ContextSpecific() {
			found = append(found, string(name))
		}
	}
	return found
}

// covers is the error why the list is not for this certificate: a list of others would make it good for not being in it.
func (s scope) covers(cert *x509.Certificate) error {
	switch {
	case s.none:
		return errors.New(s.why)
	case s.onlyUsers && cert.IsCA:
		return errors.New("it is for certificates of users only")
	case s.onlyCAs && !cert.IsCA:
		return errors.New("it is for certificates of authorities only")
	case s.named && !slices.ContainsFunc(s.points, func(u string) bool { return slices.Contains(cert.CRLDistributionPoints, u) }):
		return fmt.Errorf("it is for the distribution point %q, which the certificate does not name", strings.Join(s.points, " "))
	}
	return nil
}
