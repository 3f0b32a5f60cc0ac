package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ocsp"
)

// refused holds that the blob is refused with a reason that names the fault.
func refused(t *testing.T, why string, blob []byte) {
	t.Helper()
	if _, err := New(root().crl(0, 10, nil), blob); err == nil || !strings.Contains(err.Error(), why) || !strings.HasPrefix(err.Error(), "revocation evidence 2 of 2: ") {
		t.Errorf("got %v, wanted something about %q", err, why)
	}
}

func encoded(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestRefusedBlobs(t *testing.T) {
	list := root().crl(0, 10, nil)
	answered := root().answer(0, 10, nil)
	for _, c := range []struct {
		why  string
		blob []byte
	}{
		{"no CRL and no OCSP response", nil},
		{"no CRL and no OCSP response", []byte("hello")},
		{"no CRL and no OCSP response", list[:len(list)-1]},
		{"no CRL and no OCSP response", append(slices.Clone(list), 0)},
		{"no CRL and no OCSP response", answered[:len(answered)-1]},
		{"not the DER of a CRL", []byte{0x30, 0}},
		{"read CRL: ", signer().Raw},
		{"no block of it can be read", []byte("-----BEGIN X509 CRL-----\nAA\n")},
		{`PEM block "CERTIFICATE": read CRL`, encoded("CERTIFICATE", signer().Raw)},
		{"33554433 octets, more than 33554432", bytes.Repeat([]byte{0x30}, maxPiece+1)},
		{"read OCSP response: ocsp: error from server: try later", ocsp.TryLaterErrorResponse},
		{"read OCSP response: it has 1048582 octets", append([]byte{0x30, 0x83, 16, 0, 1, 10, 1, 0}, make([]byte, 1<<20-2)...)},
	} {
		refused(t, c.why, c.blob)
	}
}

// A PEM file may hold several pieces, with text between them.
func TestPEM(t *testing.T) {
	file := slices.Concat([]byte("the list:\n"), encoded("X509 CRL", root().crl(0, 10, nil)), []byte("\nthe answer:\n"),
		encoded("OCSP RESPONSE", root().answer(1, 10, func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, day(-2) })))
	expect{state: Revoked, since: -2, asOf: 1}.check(t, mustNew(t, file).Status(signer().Certificate, root().Certificate, day(5)))
}

// The entries are read here, not by crypto/x509: both must read the same.
func FuzzNew(f *testing.F) {
	f.Add(root().crl(0, 10, nil))
	f.Add(root().crl(0, 10, revoked(-3, 1, extension(oidInvalidityDate, false, day(-5))), extension(oidExpiredCertsOnCRL, false, day(0))))
	f.Add(scoped(distribution{Point: point("http://ca.example/1.crl"), OnlyUsers: true}))
	f.Add(root().answer(0, 10, nil))
	f.Add(delegate(nil).answer(0, 10, func(r *ocsp.Response) { r.Certificate = delegate(nil).Certificate }))
	f.Add(encoded("X509 CRL", root().crl(0, 10, revoked(-3, 1))))
	f.Fuzz(func(t *testing.T, blob []byte) {
		e, err := New(blob)
		if err != nil {
			return
		}
		_ = e.Status(signer().Certificate, root().Certificate, day(5))
		list, err := x509.ParseRevocationList(blob)
		if err != nil {
			return
		}
		ours := e.crls[string(list.RawIssuer)]
		if len(ours) != 1 || !ours[0].thisUpdate.Equal(list.ThisUpdate) || !ours[0].nextUpdate.Equal(list.NextUpdate) {
			t.Fatalf("%+v, crypto/x509 reads %s to %s", ours, list.ThisUpdate, list.NextUpdate)
		}
		entries := entriesOf(t, blob)
		for _, e := range list.RevokedCertificateEntries {
			same := func(ours entry) bool { return bytes.Equal(ours.serial, e.SerialNumber.Bytes()) }
			if e.SerialNumber.Sign() >= 0 && !slices.ContainsFunc(entries, same) {
				t.Errorf("serial number %s is not found", e.SerialNumber)
			}
		}
	})
}

func entriesOf(t *testing.T, blob []byte) []entry {
	_, revoked, err := parseFrame(blob)
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := parseEntries(revoked)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
