package smime

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync"
	"time"
)

// era is how the certificates of certified mail looked at one time
// (field-notes.md 10).
type era struct {
	name string
	at   time.Time
	// sha1 is true if authorities signed with it.
	sha1 bool
	dress
}

// dress gives the templates of a trial the looks of an era or a fault.
type dress func(*trial)

// trial is a family of certificates before it is issued.
type trial struct {
	root, authority, leaf          *x509.Certificate // templates
	rootKey, authorityKey, leafKey crypto.Signer
	rootIsVersion1                 bool
	at, sha1Issued                 time.Time
}

// family is a trial with its certificates: what is enclosed, what is trusted.
type family struct {
	*trial
	root, authority, leaf *x509.Certificate
	bag, anchors          []*x509.Certificate
}

var (
	oldKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

// eras are those of field-notes.md 10.
func eras() []era {
	return []era{
		{"2006", time.Date(2008, 6, 1, 9, 0, 0, 0, time.UTC), true, func(t *trial) {
			t.root.Subject = pkix.Name{Country: []string{"US"}, Organization: []string{"GTE Corporation"}, CommonName: "GTE CyberTrust Global Root"}
			t.rootIsVersion1 = true
			t.authority.Subject.CommonName = "CNIPA CA3"
			t.leafKey = oldKey()
			t.leaf.ExtKeyUsage = nil
		}},
		{"2014", time.Date(2015, 6, 1, 9, 0, 0, 0, time.UTC), true, func(t *trial) {
			t.root.Subject = pkix.Name{Country: []string{"IE"}, Organization: []string{"Baltimore"}, CommonName: "Baltimore CyberTrust Root"}
			t.authority.Subject.CommonName = "DigitPA CA1"
			t.leafKey = oldKey()
			t.leaf.RawSubject = must(asn1.Marshal(pkix.RDNSequence{ // quirks.md E11
				{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Posta Certificata"}}, {{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Alfa"}},
				{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "IT"}},
			}))
			t.leaf.BasicConstraintsValid, t.leaf.ExtKeyUsage, t.leaf.KeyUsage = true, nil, 0
			t.leaf.ExtraExtensions = extensions(extension(false, []byte{3, 2, 7, 0x80}, 2, 5, 29, 15))
		}},
		{"2017", time.Date(2019, 6, 1, 9, 0, 0, 0, time.UTC), false, func(t *trial) {
			t.root.Subject = pkix.Name{Country: []string{"IT"}, Organization: []string{"Actalis S.p.A./03358520967"}, CommonName: "Actalis Authentication Root CA"}
			t.authority.Subject.CommonName = "AgID CA1"
			t.authority.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageEmailProtection} // quirks.md E12
		}},
		{"2026", signingInstant, false, func(t *trial) {
			t.authority.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection}
			t.authority.ExtraExtensions = extensions(nameConstraints(false, 0xa0, country("IT"), mailDomain("pec.alfa.test")))
			t.leaf.Policies = []x509.OID{must(x509.OIDFromInts([]uint64{2, 23, 140, 1, 5, 2, 2}))}
		}},
	}
}

// newTrial has templates of authorities that are good at any time.
func newTrial(e era) *trial {
	authority := func(name string, serial int64) *x509.Certificate {
		c := certificateTemplate(name)
		c.SerialNumber, c.SubjectKeyId = big.NewInt(serial), []byte(name)
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		c.ExtKeyUsage, c.EmailAddresses = nil, nil
		c.NotBefore, c.NotAfter = e.at.AddDate(-5, 0, 0), e.at.AddDate(5, 0, 0)
		return c
	}
	t := &trial{root: authority("Root", 1), authority: authority("CA", 2), leaf: certificateTemplate("Posta Certificata Alfa"), at: e.at,
		rootKey: rsa2048().key, authorityKey: otherKey(), leafKey: rsa3072().key}
	t.leaf.NotBefore, t.leaf.NotAfter = e.at.AddDate(-1, 0, 0), e.at.AddDate(2, 0, 0)
	e.dress(t)
	if e.sha1 {
		t.sha1Issued = e.at.AddDate(1, 0, 0)
		t.root.SignatureAlgorithm, t.authority.SignatureAlgorithm, t.leaf.SignatureAlgorithm = x509.SHA1WithRSA, x509.SHA1WithRSA, x509.SHA1WithRSA
	}
	return t
}

// issue makes the certificates. The leaf and the authority are enclosed, the
// root is trusted.
func (t *trial) issue() *family {
	f := &family{trial: t}
	f.root = issue(t.root, t.root, t.rootKey.Public(), t.rootKey)
	f.authority = issue(t.authority, f.root, t.authorityKey.Public(), t.rootKey)
	f.leaf = issue(t.leaf, f.authority, t.leafKey.Public(), t.authorityKey)
	if t.rootIsVersion1 {
		f.root = asVersion1(f.root, t.rootKey)
	}
	f.bag, f.anchors = []*x509.Certificate{f.leaf, f.authority}, []*x509.Certificate{f.root}
	return f
}

func (f *family) path() ([]*x509.Certificate, error) {
	s := &Signature{Certificate: f.leaf, Certificates: f.bag}
	return s.Path(NewAnchors(f.anchors...), PathPolicy{At: f.at, SHA1Issued: f.sha1Issued})
}

// enclose replaces the authority in the bag.
func (f *family) enclose(others ...*x509.Certificate) {
	f.bag = append([]*x509.Certificate{f.leaf}, others...)
}

// again issues the authority anew with its key.
func (f *family) again(change func(*x509.Certificate)) *x509.Certificate {
	template := *f.trial.authority
	template.SerialNumber = big.NewInt(77)
	change(&template)
	return issue(&template, f.root, f.authorityKey.Public(), f.rootKey)
}

func extensions(all ...pkix.Extension) []pkix.Extension { return all }

func extension(critical bool, value []byte, id ...int) pkix.Extension {
	return pkix.Extension{Id: id, Critical: critical, Value: value}
}

// nameConstraints has one kind of subtrees: permitted (0xa0) or excluded (0xa1)
// names, each a GeneralName (RFC 5280 4.2.1.10).
func nameConstraints(critical bool, kind byte, names ...[]byte) pkix.Extension {
	var subtrees []byte
	for _, name := range names {
		subtrees = append(subtrees, plainElement(0x30, name)...)
	}
	return extension(critical, plainElement(0x30, plainElement(kind, subtrees)), 2, 5, 29, 30)
}

func mailDomain(host string) []byte { return plainElement(0x81, []byte(host)) }

// country is a directory name.
func country(code string) []byte {
	return plainElement(0xa4, must(asn1.Marshal(pkix.Name{Country: []string{code}}.ToRDNSequence())))
}

// rebuilt changes what is signed of a certificate and signs it again.
func rebuilt(c *x509.Certificate, key crypto.Signer, hash crypto.Hash, change func(certificate *tree)) *x509.Certificate {
	certificate := growTree(c.Raw)
	change(certificate)
	h := hash.New()
	h.Write(certificate.at(0).der())
	signature := must(key.Sign(rand.Reader, h.Sum(nil), hash))
	certificate.at(2).octets = append([]byte{0}, signature...)
	return must(x509.ParseCertificate(certificate.der()))
}

// asVersion1 takes the version and the extensions away.
func asVersion1(c *x509.Certificate, key crypto.Signer) *x509.Certificate {
	scheme, _ := schemeOf(c.SignatureAlgorithm)
	return rebuilt(c, key, scheme.hash, func(certificate *tree) {
		signed := certificate.at(0)
		signed.children = signed.children[1 : len(signed.children)-1]
	})
}

// damaged has a signature that is nobody's.
func damaged(c *x509.Certificate) *x509.Certificate {
	raw := bytes.Clone(c.Raw)
	raw[len(raw)-1] ^= 1
	return must(x509.ParseCertificate(raw))
}
