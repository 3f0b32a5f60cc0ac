package evidence

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/dialect"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// era is how providers were certified at one time (field-notes.md 10).
type era struct {
	name      string
	at        time.Time
	bits      int // of the provider's key
	signature x509.SignatureAlgorithm
	authority pkix.Name
	leaf      func(*x509.Certificate)
}

func eras() []era {
	agid := pkix.Name{Country: []string{"IT"}, Locality: []string{"Roma"}, Organization: []string{"Agenzia per l'Italia Digitale"}, CommonName: "AgID CA1"}
	modern := func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
		c.OCSPServer, c.CRLDistributionPoints = []string{"http://ca1.agid.gov.it/OCSP"}, []string{"ldap://ldap.agid.gov.it/CN=AgID%20CA1", "http://ca1.agid.gov.it/CRL"}
	}
	return []era{
		{"2006-10", time.Date(2009, 5, 4, 9, 0, 0, 0, time.UTC), 1024, x509.SHA1WithRSA, pkix.Name{Country: []string{"IT"}, Organization: []string{"Centro Nazionale per l'Informatica nella PA"}, CommonName: "CNIPA CA3"}, nil},
		{"2014-17", time.Date(2015, 5, 4, 9, 0, 0, 0, time.UTC), 1024, x509.SHA1WithRSA, pkix.Name{Country: []string{"IT"}, Organization: []string{"DigitPA"}, CommonName: "DigitPA CA1"},
			func(c *x509.Certificate) { c.BasicConstraintsValid = true }},
		{"2017-today", time.Date(2019, 5, 4, 9, 0, 0, 0, time.UTC), 2048, x509.SHA256WithRSA, agid, modern},
		{"2026", time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC), 2048, x509.SHA256WithRSA, agid, func(c *x509.Certificate) {
			modern(c)
			c.CRLDistributionPoints = c.CRLDistributionPoints[1:]
		}},
	}
}

// issuers are the root of an era, the authority below it, and a provider that it certified.
type issuers struct {
	root, authority, leaf *x509.Certificate
	key, rootKey          crypto.Signer
}

func (e era) issuers() issuers {
	rootKey, caKey := must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 2048))
	key := must(rsa.GenerateKey(rand.Reader, e.bits))
	ca := func(name pkix.Name, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: name, NotBefore: e.at.AddDate(-2, 0, 0), NotAfter: e.at.AddDate(4, 0, 0), IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SignatureAlgorithm: e.signature,
		}
	}
	issue := func(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, public, signer))))
	}
	i := issuers{key: key, rootKey: rootKey}
	template := ca(pkix.Name{CommonName: "Root"}, 1)
	i.root = issue(template, template, rootKey.Public(), rootKey)
	i.authority = issue(ca(e.authority, 2), i.root, caKey.Public(), rootKey)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{Country: []string{"IT"}, Organization: []string{"Alfa"}, CommonName: "Posta Certificata"}, EmailAddresses: []string{"posta-certificata@pec.alfa.test"},
		NotBefore: e.at.AddDate(0, -3, 0), NotAfter: e.at.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature, SignatureAlgorithm: e.signature,
	}
	if e.leaf != nil {
		e.leaf(leaf)
	}
	i.leaf = issue(leaf, i.authority, key.Public(), caKey)
	return i
}

// written is a message as an engine of a time writes and signs it.
func (i issuers) written(t *testing.T, e *dialect.Engine, kind pec.Kind, at time.Time) []byte {
	t.Helper()
	l := plain()
	l.acceptedAt = at
	c := l.message(kind, luigi, 0)
	c.SigningAddress = "posta-certificata@pec.alfa.test"
	d, err := e.Compose(c)
	if err != nil {
		t.Fatal(err)
	}
	body := ""
	if d.HasOriginal {
		body = l.body
	}
	sum := d.Hash.New()
	sum.Write([]byte(string(d.Before) + body + string(d.After)))
	p7s, err := e.Sign(i.key, []*x509.Certificate{i.leaf, i.authority, i.root}, sum.Sum(nil), at)
	if err != nil {
		t.Fatal(err)
	}
	before, after := d.Assemble(p7s)
	return []byte(string(before) + body + string(after))
}

// Messages of every engine under the certificates of every time verify years later (quirks.md E6 to E13, A to D).
// norms.md 45, 46, 52
func TestEnginesAndEras(t *testing.T) {
	for _, when := range eras() {
		i := when.issuers()
		files := map[string][]byte{}
		for _, e := range dialect.Engines() {
			for _, kind := range []pec.Kind{pec.Transport, pec.Acceptance} {
				files[e.Name+"-"+string(kind)+".eml"] = i.written(t, e, kind, when.at)
			}
		}
		t.Run(when.name, func(t *testing.T) {
			o := usual()
			o.Anchors, o.Directories, o.Now = smime.NewAnchors(i.authority), nil, when.at.AddDate(9, 0, 0)
			r := examined(t, o, files)
			for _, item := range r.Messages {
				weak := when.bits < 2048 || item.Signature != nil && item.Signature.Digest == "SHA-1"
				tooOld := item.Signature != nil && item.Signature.Digest == "SHA-1" && !when.at.Before(o.SHA1Until)
				switch {
				case tooOld && item.Verdict == Unknown && item.Reasons[0].Code == "digest-weak":
				case item.Verdict != Valid || tooOld:
					t.Errorf("%s: %s %v", item.Name, item.Verdict, item.Reasons)
				case weak != (len(item.Signature.Weak) > 0):
					t.Errorf("%s: weak %v", item.Name, item.Signature.Weak)
				}
			}
			if len(r.Messages) != len(files) || len(files) < 22 {
				t.Errorf("%d messages of %d", len(r.Messages), len(files))
			}
			// Under the root alone it is not known whom it certifies; under another root it is nobody's.
			o.Anchors = smime.NewAnchors(i.root)
			counted(t, examined(t, o, files), Unknown, len(files))
			o.Anchors = smime.NewAnchors(agid().cert)
			counted(t, examined(t, o, files), Invalid, len(files))
		})
	}
}

func counted(t *testing.T, r *Report, v Verdict, n int) {
	t.Helper()
	if r.Counts[v] != n {
		t.Errorf("%d are %s, not %d:\n%s", r.Counts[v], v, n, strings.Join(summary(r), "\n"))
	}
}

// One key under several certificates of an authority, as AgID CA1 was issued anew: any of them anchors all (quirks.md E9).
func TestAuthorityIssuedAnew(t *testing.T) {
	when := eras()[2]
	i := when.issuers()
	e := must(dialect.Named("opec"))
	octets := i.written(t, e, pec.Acceptance, when.at)
	template := *i.authority
	template.SerialNumber, template.NotBefore, template.NotAfter, template.Raw = big.NewInt(99), when.at.AddDate(3, 0, 0), when.at.AddDate(9, 0, 0), nil
	anew := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, &template, i.root, i.authority.PublicKey, i.rootKey))))
	o := usual()
	o.Directories, o.Now = nil, when.at.AddDate(9, 0, 0)
	o.Anchors = smime.NewAnchors(anew)
	expect(t, examined(t, o, map[string][]byte{"a.eml": octets}), "a.eml: valid")
}

// The directory of the day decides whose certificate it is; one of another day can only confirm (norms.md 48).
func TestDirectoryOfTheDay(t *testing.T) {
	octets := map[string][]byte{"a.eml": alfa().signs(plain(), pec.Acceptance, "", 0)}
	for name, c := range map[string]struct {
		at     []time.Duration
		houses []*house
		want   string
	}{
		"none":                        {nil, nil, "a.eml: valid"},
		"of the day":                  {[]time.Duration{-time.Hour}, []*house{alfa(), beta()}, "a.eml: valid"},
		"of the day, without it":      {[]time.Duration{-time.Hour}, []*house{beta()}, "a.eml: invalid not-in-directory"},
		"a week before":               {[]time.Duration{-7 * 24 * time.Hour}, []*house{alfa()}, "a.eml: valid"},
		"a week before, without it":   {[]time.Duration{-7 * 24 * time.Hour}, []*house{beta()}, "a.eml: unknown directory-other"},
		"a minute after, without it":  {[]time.Duration{time.Minute}, []*house{beta()}, "a.eml: unknown directory-other"},
		"several, the day's has it":   {[]time.Duration{-90 * time.Hour, time.Hour}, []*house{alfa()}, "a.eml: valid"},
		"several, one is of the day":  {[]time.Duration{-90 * time.Hour, -2 * time.Hour, time.Hour}, []*house{beta()}, "a.eml: invalid not-in-directory"},
		"of the day, another's entry": {[]time.Duration{-time.Hour}, []*house{gamma()}, "a.eml: invalid not-in-directory"},
	} {
		t.Run(name, func(t *testing.T) {
			o := usual()
			o.Directories = nil
			if c.houses != nil {
				o.Directories = &Directories{}
				for _, at := range c.at {
					o.Directories.byTime = append(o.Directories.byTime, published(sentAt.Add(at), c.houses...))
				}
				o.Directories = NewDirectories(o.Directories.byTime...)
			}
			r := examined(t, o, octets)
			expect(t, r, c.want)
			if name == "several, the day's has it" && r.Messages[0].Directory.ThatDay {
				t.Error("a directory of four days before counts as the day's")
			}
		})
	}
}
