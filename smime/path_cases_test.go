package smime

import (
	"crypto"
	_ "crypto/md5" // to sign what is refused
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"time"
)

// pathCase is one way in which a path is good or broken.
type pathCase struct {
	name    string
	dress   dress         // the templates; nil: as the era has them
	arrange func(*family) // what is enclosed and trusted; nil: as issue leaves it
	want    error
}

func edit(change func(leaf, authority, root *x509.Certificate)) dress {
	return func(t *trial) { change(t.leaf, t.authority, t.root) }
}

func goodPaths() []pathCase {
	return []pathCase{
		{"as it was", nil, nil, nil},
		{"the root is enclosed too", nil, func(f *family) { f.enclose(f.authority, f.root) }, nil},
		{"in another order", nil, func(f *family) { f.bag = []*x509.Certificate{f.authority, f.leaf} }, nil},
		{"authority issued anew", nil, func(f *family) { f.enclose(f.again(func(*x509.Certificate) {})) }, nil}, // quirks.md E9
		{"authority expired and issued anew", nil, func(f *family) {
			f.enclose(f.again(func(c *x509.Certificate) { c.NotAfter = f.at.AddDate(0, 0, -1) }), f.authority)
		}, nil},
		{"authority as anchor", nil, func(f *family) { f.anchors = []*x509.Certificate{f.authority} }, nil},
		{"authority as anchor, root enclosed", nil, func(f *family) {
			f.anchors = []*x509.Certificate{f.authority}
			f.enclose(f.authority, f.root)
		}, nil},
		{"authority issued later with one key as anchor", nil, func(f *family) {
			f.anchors = []*x509.Certificate{f.again(func(c *x509.Certificate) { c.NotAfter = f.at.AddDate(9, 0, 0) })}
		}, nil},
		{"anchor not yet valid", edit(func(_, _, root *x509.Certificate) { root.NotBefore = root.NotAfter.AddDate(-1, 0, 0) }), nil, nil},
		{"anchor expired", edit(func(_, _, root *x509.Certificate) { root.NotAfter = root.NotBefore.AddDate(1, 0, 0) }), nil, nil},
		{"anchor whose own signature is wrong", nil, func(f *family) { f.anchors[0] = damaged(f.root) }, nil},
		{"first second", func(t *trial) { t.leaf.NotBefore = t.at }, nil, nil},
		{"last second", func(t *trial) { t.leaf.NotAfter = t.at }, nil, nil},
		{"within a second", func(t *trial) { t.leaf.NotAfter, t.at = t.at, t.at.Add(time.Second/2) }, nil, nil},
		{"non-repudiation only", edit(func(leaf, _, _ *x509.Certificate) {
			leaf.KeyUsage, leaf.ExtraExtensions = x509.KeyUsageContentCommitment, nil
		}), nil, nil},
		{"any extended usage", edit(func(leaf, authority, _ *x509.Certificate) {
			leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
		}), nil, nil},
		{"authority that allows itself no authority below", edit(func(_, authority, _ *x509.Certificate) { authority.MaxPathLenZero = true }), nil, nil},
		{"unknown extension", edit(func(leaf, _, _ *x509.Certificate) {
			leaf.ExtraExtensions = append(leaf.ExtraExtensions, extension(false, []byte{5, 0}, 1, 2, 3))
		}), nil, nil},
		{"another country permitted", constrainedCountry(nameConstraints(false, 0xa0, country("FR"))), nil, nil}, // quirks.md E12
		{"this country excluded", constrainedCountry(nameConstraints(false, 0xa1, country("IT"))), nil, nil},     // quirks.md E12
		{"this domain permitted", constrained(nameConstraints(true, 0xa0, mailDomain("PEC.alfa.test"))), nil, nil},
		{"domains below permitted", constrained(nameConstraints(true, 0xa0, mailDomain(".alfa.test"))), nil, nil},
		{"other domains excluded", constrained(nameConstraints(true, 0xa1, mailDomain("alfa.test"))), nil, nil},
		{"authorities that certify each other", nil, func(f *family) {
			cross := issue(f.trial.root, f.authority, f.rootKey.Public(), f.authorityKey)
			f.enclose(cross, f.authority)
		}, nil},
		{"eight certificates", nil, func(f *family) { f.leaf, f.bag = deep(f, 6) }, nil},
	}
}

// signedPaths have a leaf signed in each way that is accepted.
func signedPaths() (all []pathCase) {
	for _, a := range []x509.SignatureAlgorithm{x509.SHA1WithRSA, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS} {
		all = append(all, pathCase{a.String(), func(t *trial) { t.leaf.SignatureAlgorithm, t.sha1Issued = a, t.at }, nil, nil})
	}
	for _, a := range []x509.SignatureAlgorithm{x509.ECDSAWithSHA1, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512} {
		all = append(all, pathCase{a.String(), func(t *trial) {
			t.authorityKey, t.leaf.SignatureAlgorithm, t.sha1Issued = newP256(), a, t.at
		}, nil, nil})
	}
	return all
}

func constrained(e ...pkix.Extension) dress {
	return edit(func(_, authority, _ *x509.Certificate) { authority.ExtraExtensions = e })
}

// constrainedCountry has a leaf whose name begins with the country, which is
// where openssl looks.
func constrainedCountry(e pkix.Extension) dress {
	return func(t *trial) {
		constrained(e)(t)
		t.leaf.RawSubject = nil
	}
}

// deep puts so many authorities between the root and a leaf.
func deep(f *family, authorities int) (leaf *x509.Certificate, bag []*x509.Certificate) {
	parent, parentKey := f.root, f.rootKey
	for i := range authorities {
		template, key := *f.trial.authority, crypto.Signer(newP256())
		template.Subject.CommonName, template.SubjectKeyId, template.ExtraExtensions = "CA "+string(rune('A'+i)), []byte{byte(i + 1)}, nil
		if i > 0 {
			template.SignatureAlgorithm = x509.UnknownSignatureAlgorithm
		}
		parent, parentKey = issue(&template, parent, key.Public(), parentKey), key
		bag = append(bag, parent)
	}
	template := *f.trial.leaf
	template.SignatureAlgorithm = x509.UnknownSignatureAlgorithm
	leaf = issue(&template, parent, f.leafKey.Public(), parentKey)
	return leaf, append(bag, leaf)
}

func brokenPaths() []pathCase {
	return []pathCase{
		{"no authority", nil, func(f *family) { f.enclose() }, ErrNoPath},
		{"no anchor", nil, func(f *family) { f.anchors = nil }, ErrNoPath},
		{"anchor of the name with another key", nil, func(f *family) {
			f.anchors[0] = issue(f.trial.root, f.trial.root, f.leafKey.Public(), f.leafKey)
		}, ErrNoPath},
		{"anchor of the key with another name", nil, func(f *family) {
			template := *f.trial.root
			template.Subject.CommonName = "Another"
			f.anchors[0] = issue(&template, &template, f.rootKey.Public(), f.rootKey)
		}, ErrNoPath},
		{"authority of the key with another name", nil, func(f *family) {
			f.enclose(f.again(func(c *x509.Certificate) { c.Subject.CommonName = "Another" }))
		}, ErrNoPath},
		{"authority with another key identifier", nil, func(f *family) {
			f.enclose(f.again(func(c *x509.Certificate) { c.SubjectKeyId = []byte("another") }))
		}, ErrNoPath},
		{"leaf as anchor", nil, func(f *family) { f.anchors = []*x509.Certificate{f.leaf} }, ErrNoPath},
		{"leaf that signed itself", nil, func(f *family) {
			f.leaf = issue(f.trial.leaf, f.trial.leaf, f.authorityKey.Public(), f.authorityKey)
			f.enclose()
		}, ErrNoPath},
		{"signature of the leaf damaged", nil, func(f *family) { f.leaf = damaged(f.leaf) }, ErrNoPath},
		{"signature of the authority damaged", nil, func(f *family) { f.enclose(damaged(f.authority)) }, ErrNoPath},
		{"nine certificates", nil, func(f *family) { f.leaf, f.bag = deep(f, 7) }, ErrNoPath},
		{"authority with a short key", nil, func(f *family) {
			short := &rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1000), big.NewInt(159)), E: 65537}
			f.enclose(issue(f.trial.authority, f.root, short, f.rootKey))
		}, ErrAlgorithm},
		{"signed with MD5", nil, func(f *family) {
			f.leaf = rebuilt(f.leaf, f.authorityKey, crypto.MD5, func(certificate *tree) {
				md5 := &tree{tag: 6, octets: []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04")}
				certificate.at(0, 2).children[0], certificate.at(1).children[0] = md5, md5
			})
		}, ErrAlgorithm},
		{"signed with SHA-1 too late", func(t *trial) {
			t.leaf.SignatureAlgorithm, t.sha1Issued = x509.SHA1WithRSA, t.leaf.NotBefore
		}, nil, ErrAlgorithm},
		{"signed with SHA-1, which is never borne", func(t *trial) {
			t.leaf.SignatureAlgorithm, t.sha1Issued = x509.SHA1WithRSA, time.Time{}
		}, nil, ErrAlgorithm},
		{"leaf expired", func(t *trial) { t.leaf.NotAfter = t.at.Add(-time.Second) }, nil, ErrExpired}, // attacks.md 11
		{"leaf not yet valid", func(t *trial) { t.leaf.NotBefore = t.at.Add(time.Second) }, nil, ErrNotYetValid},
		{"authority expired", func(t *trial) { t.authority.NotAfter = t.at.AddDate(0, 0, -1) }, nil, ErrExpired},
		{"authority not yet valid", func(t *trial) { t.authority.NotBefore = t.at.AddDate(0, 0, 1) }, nil, ErrNotYetValid},
	}
}

func barredPaths() []pathCase {
	unknown := extension(true, []byte{5, 0}, 1, 2, 3)
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return []pathCase{
		{"authority that is none", edit(func(_, authority, _ *x509.Certificate) { authority.IsCA = false }), nil, ErrConstraint},
		{"authority without basic constraints", edit(func(_, authority, _ *x509.Certificate) {
			authority.IsCA, authority.BasicConstraintsValid = false, false
		}), nil, ErrConstraint},
		{"authority of version 1", nil, func(f *family) { f.enclose(asVersion1(f.authority, f.rootKey)) }, ErrConstraint},
		{"authority that may not sign certificates", edit(func(_, authority, _ *x509.Certificate) {
			authority.KeyUsage = x509.KeyUsageCRLSign
		}), nil, ErrConstraint},
		{"anchor that is no authority", modern(func(root *x509.Certificate) { root.IsCA = false }), nil, ErrConstraint},
		{"anchor that may not sign certificates", modern(func(root *x509.Certificate) { root.KeyUsage = x509.KeyUsageCRLSign }), nil, ErrConstraint},
		{"anchor that allows no authority", modern(func(root *x509.Certificate) { root.MaxPathLenZero = true }), nil, ErrConstraint},
		{"anchor for servers", modern(func(root *x509.Certificate) { root.ExtKeyUsage = server }), nil, ErrConstraint},
		{"anchor with a critical extension", modern(func(root *x509.Certificate) { root.ExtraExtensions = extensions(unknown) }), nil, ErrConstraint},
		{"anchor that permits another domain", modern(func(root *x509.Certificate) {
			root.ExtraExtensions = extensions(nameConstraints(true, 0xa0, mailDomain("pec.beta.test")))
		}), nil, ErrConstraint},
		{"authority below one that allows none", nil, func(f *family) {
			template, key := *f.trial.authority, newP256()
			template.MaxPathLenZero = true
			upper := issue(&template, f.root, f.authorityKey.Public(), f.rootKey)
			template.Subject.CommonName, template.SubjectKeyId = "Below", []byte("below")
			lower := issue(&template, upper, key.Public(), f.authorityKey)
			leaf := *f.trial.leaf
			leaf.SignatureAlgorithm = x509.UnknownSignatureAlgorithm
			f.leaf = issue(&leaf, lower, f.leafKey.Public(), key)
			f.enclose(lower, upper)
		}, ErrConstraint},
		{"leaf for servers", edit(func(leaf, _, _ *x509.Certificate) { leaf.ExtKeyUsage = server }), nil, ErrConstraint}, // attacks.md 11
		{"leaf for an unknown use", edit(func(leaf, _, _ *x509.Certificate) {
			leaf.ExtKeyUsage, leaf.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		}), nil, ErrConstraint},
		{"authority for servers", edit(func(_, authority, _ *x509.Certificate) { authority.ExtKeyUsage = server }), nil, ErrConstraint},
		{"leaf for encipherment", edit(func(leaf, _, _ *x509.Certificate) {
			leaf.KeyUsage, leaf.ExtraExtensions = x509.KeyUsageKeyEncipherment, nil
		}), nil, ErrConstraint},
		{"leaf with a critical extension", edit(func(leaf, _, _ *x509.Certificate) {
			leaf.ExtraExtensions = append(leaf.ExtraExtensions, unknown)
		}), nil, ErrConstraint},
		{"authority with a critical extension", edit(func(_, authority, _ *x509.Certificate) {
			authority.ExtraExtensions = append(authority.ExtraExtensions, unknown)
		}), nil, ErrConstraint},
		{"authority with critical policy constraints", edit(func(_, authority, _ *x509.Certificate) {
			authority.ExtraExtensions = append(authority.ExtraExtensions, extension(true, []byte{0x30, 3, 0x80, 1, 9}, 2, 5, 29, 36))
		}), nil, ErrConstraint},
		{"country permitted, critical", constrainedCountry(nameConstraints(true, 0xa0, country("IT"))), nil, ErrConstraint},
		{"another domain permitted", constrained(nameConstraints(false, 0xa0, mailDomain("pec.beta.test"))), nil, ErrConstraint},
		{"only domains below permitted", constrained(nameConstraints(false, 0xa0, mailDomain(".pec.alfa.test"))), nil, ErrConstraint},
		{"another address permitted", constrained(nameConstraints(false, 0xa0, mailDomain("Posta-Certificata@pec.alfa.test"))), nil, ErrConstraint},
		{"this domain excluded", constrained(nameConstraints(false, 0xa1, mailDomain("pec.alfa.test"))), nil, ErrConstraint},
		{"this domain excluded, in the subject", func(t *trial) {
			constrained(nameConstraints(false, 0xa1, mailDomain("pec.beta.test")))(t)
			t.leaf.RawSubject, t.leaf.Subject.ExtraNames = nil, []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "x@pec.beta.test"}}
		}, nil, ErrConstraint},
		{"host names constrained, and the leaf has one", func(t *trial) {
			constrained(nameConstraints(false, 0xa0, plainElement(0x82, []byte("alfa.test"))))(t)
			t.leaf.DNSNames = []string{"www.beta.test"}
		}, nil, ErrConstraint},
		{"network addresses constrained, and the leaf has one", func(t *trial) {
			constrained(nameConstraints(false, 0xa1, plainElement(0x87, []byte{192, 0, 2, 0, 255, 255, 255, 0})))(t)
			t.leaf.IPAddresses = []net.IP{{192, 0, 2, 1}}
		}, nil, ErrConstraint},
		{"URIs constrained, and the leaf has one", func(t *trial) {
			constrained(nameConstraints(false, 0xa1, plainElement(0x86, []byte("beta.test"))))(t)
			t.leaf.URIs = []*url.URL{{Scheme: "https", Host: "beta.test"}}
		}, nil, ErrConstraint},
	}
}

// modern changes a root that has extensions to be changed.
func modern(change func(root *x509.Certificate)) dress {
	return func(t *trial) {
		t.rootIsVersion1 = false
		change(t.root)
	}
}
