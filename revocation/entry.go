package revocation

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxEntries bounds a CRL: 32 MiB have room for about as many of the usual ones.
const maxEntries = 1 << 20

// entry is one revoked certificate.
type entry struct {
	serial []byte            // its magnitude
	rest   cryptobyte.String // the time and the extensions
}

// parseEntries reads all entries once, so that no fault in one is found late, and sorts them. unusable is why none of them counts.
func parseEntries(in cryptobyte.String) (entries []entry, unusable, err error) {
	for !in.Empty() {
		var one, serial cryptobyte.String
		if !in.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1(&serial, cbasn1.INTEGER) || len(serial) == 0 {
			return nil, nil, errors.New("an entry cannot be read")
		}
		if len(entries) == maxEntries {
			return nil, nil, fmt.Errorf("it has more than %d entries", maxEntries)
		}
		e := entry{serial: bytes.TrimLeft(serial, "\x00"), rest: one}
		_, critical, err := e.parse()
		if err != nil {
			return nil, nil, err
		}
		if critical != nil {
			unusable = critical
		}
		if negative := serial[0] >= 0x80; !negative { // crypto/x509 reads no certificate that it could mean
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.serial, b.serial) })
	return entries, unusable, nil
}

// parse reads what the entry says. unusable is an extension for which the whole list may not be used (RFC 5280 5.3).
func (e entry) parse() (revoked *revocation, unusable, err error) {
	rest := e.rest
	revoked = &revocation{}
	read := rest.ReadASN1UTCTime
	if rest.PeekASN1Tag(cbasn1.GeneralizedTime) {
		read = rest.ReadASN1GeneralizedTime
	}
	if !read(&revoked.since) {
		return nil, nil, fmt.Errorf("the revocation date of serial number %x cannot be read", e.serial)
	}
	var extensions cryptobyte.String
	if !rest.ReadOptionalASN1(&extensions, nil, cbasn1.SEQUENCE) || !rest.Empty() {
		return nil, nil, fmt.Errorf("the entry of serial number %x cannot be read", e.serial)
	}
	for !extensions.Empty() {
		id, critical, value, ok := readExtension(&extensions)
		if !ok {
			return nil, nil, fmt.Errorf("an extension of serial number %x cannot be read", e.serial)
		}
		understood, err := revoked.extend(id, value)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("serial number %x: %w", e.serial, err)
		case is(id, oidCertificateIssuer):
			unusable = errors.New("it is an indirect CRL, which is not used")
		case critical && !understood:
			unusable = fmt.Errorf("the critical extension %s of an entry is not understood", id)
		}
	}
	return revoked, unusable, nil
}

// extend takes in the extensions that CRL entries and OCSP responses share (RFC 6960 4.4.5).
func (r *revocation) extend(id asn1.ObjectIdentifier, value []byte) (understood bool, err error) {
	switch {
	case is(id, oidReasonCode):
		var code int
		in := cryptobyte.String(value)
		if !in.ReadASN1Enum(&code) {
			return true, errors.New("its reason cannot be read")
		}
		r.reason = reasonName(code)
	case is(id, oidInvalidityDate):
		var invalid time.Time
		if invalid, err = parseDate(value, "invalidity date"); err == nil {
			r.since = earliest(r.since, invalid)
		}
	default:
		return false, nil
	}
	return true, err
}

func readExtension(in *cryptobyte.String) (id asn1.ObjectIdentifier, critical bool, value cryptobyte.String, ok bool) {
	var one cryptobyte.String
	ok = in.ReadASN1(&one, cbasn1.SEQUENCE) && one.ReadASN1ObjectIdentifier(&id) &&
		(!one.PeekASN1Tag(cbasn1.BOOLEAN) || one.ReadASN1Boolean(&critical)) && one.ReadASN1(&value, cbasn1.OCTET_STRING) && one.Empty()
	return id, critical, value, ok
}
