package revocation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// day is some days into the time of these tests. Certificates are valid from day -100 to day 100.
func day(n float64) time.Time {
	return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(n * 24 * float64(time.Hour)))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// holder is a certificate with its key.
type holder struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// Made once for all tests: two authorities of the same name, and one of another.
var (
	root   = sync.OnceValue(func() *holder { return newRoot("Root", newKey(), nil) })
	twin   = sync.OnceValue(func() *holder { return newRoot("Root", newKey(), nil) })
	other  = sync.OnceValue(func() *holder { return newRoot("Other", newKey(), nil) })
	signer = sync.OnceValue(func() *holder { return root().issue(7, nil) })
)

func newRoot(name string, key *ecdsa.PrivateKey, change func(*x509.Certificate)) *holder {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: day(-1000), NotAfter: day(1000),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(template)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return &holder{must(x509.ParseCertificate(der)), key}
}

func (h *holder) issue(serial int64, change func(*x509.Certificate)) *holder {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "Signer"}, NotBefore: day(-100), NotAfter: day(100),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(template)
	}
	key := newKey()
	der := must(x509.CreateCertificate(rand.Reader, template, h.Certificate, key.Public(), h.key))
	return &holder{must(x509.ParseCertificate(der)), key}
}

// crl is a list made at day this, with the next promised for the day next.
func (h *holder) crl(this, next float64, entries []x509.RevocationListEntry, extensions ...pkix.Extension) []byte {
	return h.list(&x509.RevocationList{
		Number: big.NewInt(int64(this*100) + 100000), ThisUpdate: day(this), NextUpdate: day(next), RevokedCertificateEntries: entries, ExtraExtensions: extensions,
	})
}

func (h *holder) list(template *x509.RevocationList) []byte {
	return must(x509.CreateRevocationList(rand.Reader, template, h.Certificate, h.key))
}

// revoked is an entry about serial number 7.
func revoked(since float64, reason int, extensions ...pkix.Extension) []x509.RevocationListEntry {
	return []x509.RevocationListEntry{
		{SerialNumber: big.NewInt(9), RevocationTime: day(-90)},
		{SerialNumber: big.NewInt(7), RevocationTime: day(since), ReasonCode: reason, ExtraExtensions: extensions},
		{SerialNumber: big.NewInt(1 << 40), RevocationTime: day(-90)},
	}
}

func extension(oid string, critical bool, value any) pkix.Extension {
	octets, ok := value.([]byte)
	if date, isDate := value.(time.Time); isDate {
		octets = must(asn1.MarshalWithParams(date, "generalized"))
	} else if !ok {
		octets = must(asn1.Marshal(value))
	}
	return pkix.Extension{Id: identifier(oid), Critical: critical, Value: octets}
}

func identifier(dotted string) (id asn1.ObjectIdentifier) {
	for _, arc := range strings.Split(dotted, ".") {
		id = append(id, must(strconv.Atoi(arc)))
	}
	return id
}

// answer is the holder's OCSP response about serial number 7 of root, good unless changed.
func (h *holder) answer(this, next float64, change func(*ocsp.Response)) []byte {
	template := ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(7), ThisUpdate: day(this), NextUpdate: day(next)}
	if change != nil {
		change(&template)
	}
	return must(ocsp.CreateResponse(root().Certificate, h.Certificate, template, h.key))
}

func mustNew(t testing.TB, blobs ...[]byte) *Evidence {
	t.Helper()
	e, err := New(blobs...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// expect is what a status should be.
type expect struct {
	state  State
	since  float64 // Revoked
	reason string  // Revoked
	asOf   float64 // Good and Revoked
	why    string  // Unknown: a part of it
	later  string  // Good: the reason of the revocation that came later; "-" for one without a reason
}

func (want expect) check(t *testing.T, got Status) {
	t.Helper()
	if got.State != want.state || !strings.Contains(got.Why, want.why) || got.Reason != want.reason {
		t.Fatalf("got %+v, wanted %+v", got, want)
	}
	if got.State == Unknown {
		if got.Why == "" || !got.At.IsZero() || !got.AsOf.IsZero() || got.Later != nil {
			t.Errorf("unknown: %+v", got)
		}
		return
	}
	if got.State == Revoked && !got.At.Equal(day(want.since)) {
		t.Errorf("since %s, wanted %s", got.At, day(want.since))
	}
	if !got.AsOf.Equal(day(want.asOf)) || got.Source == "" || got.Why != "" {
		t.Errorf("as of %s, wanted %s; source %q, why %q", got.AsOf, day(want.asOf), got.Source, got.Why)
	}
	if (got.Later != nil) != (want.later != "") || got.Later != nil && strings.Trim(want.later, "-") != got.Later.Reason {
		t.Errorf("later %+v, wanted %q", got.Later, want.later)
	}
}
