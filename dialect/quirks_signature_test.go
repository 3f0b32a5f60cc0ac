package dialect

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/smime"
)

// cmsOf is the engine's signature as it is.
func cmsOf(t *testing.T, engine string) []byte {
	t.Helper()
	parts, err := split(written(t, engine, "acceptance"))
	if err != nil {
		t.Fatal(err)
	}
	return parts.Signature
}

// restyled is an acceptance whose signature an engine makes in another style.
func restyled(t *testing.T, change func(*Engine)) []byte {
	e := must(Named("opec"))
	change(e)
	return writtenBy(t, e, "acceptance")
}

// certified is an acceptance with other certificates.
func certified(t *testing.T, chain ...*x509.Certificate) *smime.Signature {
	t.Helper()
	e := must(Named("jpec"))
	parts, err := split(sealWith(t, e, draft(t, e, named("acceptance").composition()), "", chain))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := parts.Verify()
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func TestQuirksOfSignature(t *testing.T) {
	// quirks.md E1
	t.Run("E1 both names of the type", func(t *testing.T) {
		for engine, name := range map[string]string{"opec": oldPKCS7, "legalmail-2015": oldPKCS7, "sogei": pkcs7, "jpec": pkcs7} {
			message := written(t, engine, "acceptance")
			if !bytes.Contains(message, []byte(`protocol="`+name+`"`)) || data(t, message).ID != envelopeID {
				t.Errorf("%s: no %s", engine, name)
			}
		}
		message := swap(t, written(t, "opec", "acceptance"), `protocol="`+oldPKCS7, `protocol="`+pkcs7)
		if data(t, message).ID != envelopeID {
			t.Error("protocol and part differ: not read")
		}
	})
	t.Run("E2 spellings of micalg", micalgs)
	// quirks.md E3
	t.Run("E3 BER", func(t *testing.T) {
		for engine, indefinite := range map[string]bool{"jpec": true, "legalmail": true, "legalmail-2015": true, "telecompost": true, "cedacri": true,
			"irideos": true, "opec": false, "opec-2014": false, "sogei": false, "register": false} {
			if got := bytes.HasPrefix(cmsOf(t, engine), []byte{0x30, 0x80}); got != indefinite {
				t.Errorf("%s: indefinite length %t", engine, got)
			}
			verified(t, written(t, engine, "acceptance"))
		}
	})
	// quirks.md E4
	t.Run("E4 parameters of the digest", func(t *testing.T) {
		for engine, algorithm := range map[string]string{
			"sogei": "\x30\x0b" + oidSHA256 + "\xa0", "jpec": "\x30\x0b" + oidSHA256 + "\xa0",
			"register": "\x30\x0d" + oidSHA256 + "\x05\x00\xa0", "opec": "\x30\x09" + oidSHA1 + "\x05\x00\xa0",
		} {
			if !bytes.Contains(cmsOf(t, engine), []byte(algorithm)) {
				t.Errorf("%s: there is no % x before the attributes", engine, algorithm)
			}
			verified(t, written(t, engine, "acceptance"))
		}
	})
	// quirks.md E5
	t.Run("E5 signature algorithm", func(t *testing.T) {
		for engine, id := range map[string]string{"jpec": oidSHA256RSA, "sogei": oidRSA, "legalmail": oidRSA} {
			if !bytes.Contains(cmsOf(t, engine), []byte("\x30\x0d"+id+"\x05\x00\x04\x82")) {
				t.Errorf("%s: the signature is not under % x", engine, id)
			}
			verified(t, written(t, engine, "acceptance"))
		}
	})
	t.Run("E6 weak signatures", weak)
	t.Run("E7 signed attributes", signedAttributes)
	t.Run("E8 order of certificates", bagOrder)
	// quirks.md E9
	t.Run("E9 intermediate issued anew", func(t *testing.T) {
		a := testAuthority()
		template := authorityTemplate("Test CA 1")
		template.SerialNumber, template.NotBefore = big.NewInt(77), instant().AddDate(-2, 0, 0)
		wantChain(t, certified(t, a.leaf, issue(template, a.root, a.intermediateKey.Public(), a.rootKey)))
	})
	// quirks.md E10
	t.Run("E10 certificate that has expired since", func(t *testing.T) {
		signature := verified(t, written(t, "opec", "acceptance"))
		later := testAuthority().leaf.NotAfter.AddDate(0, 0, 1)
		if err := pathAt(signature, later); err == nil {
			t.Error("it is valid after its end")
		}
		if err := pathAt(signature, signature.SigningTime); err != nil {
			t.Errorf("it was not valid when it signed: %v", err)
		}
	})
	// quirks.md E11
	t.Run("E11 certificates of 2014", func(t *testing.T) {
		template := leafTemplate()
		template.BasicConstraintsValid, template.ExtKeyUsage, template.KeyUsage = true, nil, 0
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}}} // not critical
		template.RawSubject = must(asn1.Marshal(pkix.RDNSequence{
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Posta Certificata"}}, {{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Alfa"}},
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "IT"}},
		}))
		wantChain(t, certified(t, leafFrom(template), testAuthority().intermediate))
	})
	// quirks.md E12
	t.Run("E12 usages of the intermediate", func(t *testing.T) {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			a, template := testAuthority(), authorityTemplate("Test CA 1")
			template.ExtKeyUsage = []x509.ExtKeyUsage{usage, x509.ExtKeyUsageEmailProtection}
			template.PermittedEmailAddresses = []string{"pec.alfa.test", "pec.beta.test"}
			wantChain(t, certified(t, a.leaf, issue(template, a.root, a.intermediateKey.Public(), a.rootKey)))
		}
	})
	// quirks.md E13
	t.Run("E13 common name in any form", func(t *testing.T) {
		for _, name := range []string{"", "Posta Certificata Legalmail 23", "Irideos S.p.A. 01", "altro@pec.beta.test"} {
			template := leafTemplate()
			template.Subject.CommonName = name
			if signature := certified(t, leafFrom(template), testAuthority().intermediate); smime.Email(signature.Certificate) != string(signer) {
				t.Errorf("%q: the address is %q", name, smime.Email(signature.Certificate))
			}
		}
	})
	// quirks.md E15
	t.Run("E15 transcoded and damaged", func(t *testing.T) {
		message := written(t, "legalmail", "transport")
		for name, damaged := range map[string][]byte{
			"CR CR LF":   bytes.ReplaceAll(message, []byte("\r\n"), []byte("\r\r\n")),
			"transcoded": swap(t, message, "Buongiorno,", "Buongi\u00f2rno,"),
			"anonymised": bytes.ReplaceAll(message, []byte("pec.beta.test"), []byte("pec.xxxx.test")),
		} {
			parts, err := split(damaged)
			if err == nil {
				_, err = parts.Verify()
			}
			if !errors.Is(err, smime.ErrDigest) && !errors.Is(err, smime.ErrNotSigned) && !errors.Is(err, smime.ErrMalformed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	// quirks.md E16
	t.Run("E16 lines of the signature", func(t *testing.T) {
		for _, columns := range []int{60, 64, 76, 10_000} {
			verified(t, restyled(t, func(e *Engine) { e.tree.signature = columns }))
		}
		legalmail := written(t, "legalmail", "acceptance")
		if !bytes.Contains(legalmail, []byte("smime-type=signed-data")) || !bytes.Contains(legalmail, []byte("Content-Description: S/MIME")) {
			t.Error("legalmail's parameters are missing")
		}
		verified(t, legalmail)
	})
}

func leafFrom(template *x509.Certificate) *x509.Certificate {
	a := testAuthority()
	return issue(template, a.intermediate, a.key.Public(), a.intermediateKey)
}

func wantChain(t *testing.T, signature *smime.Signature) {
	t.Helper()
	if err := pathAt(signature, instant()); err != nil {
		t.Error(err)
	}
}

// quirks.md E2
func micalgs(t *testing.T) {
	for _, engine := range []string{"opec", "sogei"} {
		usual := `micalg="` + must(Named(engine)).tree.micalg + `"`
		for _, spelling := range []string{`micalg=sha1`, `micalg="sha1"`, `micalg=sha-1`, `micalg="SHA1"`, `micalg=md5`, `x-altro=1`} {
			verified(t, swap(t, written(t, engine, "acceptance"), usual, spelling))
		}
		for _, spelling := range []string{`micalg=sha256`, `micalg=sha-256`, `micalg="sha-256"`} {
			message := swap(t, written(t, engine, "acceptance"), usual, spelling)
			parts, err := split(message)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parts.Verify()
			var need *smime.NeedDigest
			if errors.As(err, &need) { // the promise was wrong: a second pass
				h := need.Hash.New()
				h.Write(message[need.Start:need.End])
				_, err = must(smime.Parse(parts.Signature)).Verify(h.Sum(nil))
			}
			if err != nil || (need != nil) != (engine == "opec") {
				t.Errorf("%s with %s: %v, a second pass: %v", engine, spelling, err, need)
			}
		}
	}
}

// quirks.md E6: whether such mail is let in is the incoming point's to say.
func weak(t *testing.T) {
	for _, e := range Engines() {
		if signature := verified(t, written(t, e.Name, "acceptance")); signature.Weak != (signature.Hash == crypto.SHA1) || signature.Hash != e.cms.hash {
			t.Errorf("%s: weak %t, hash %v", e.Name, signature.Weak, signature.Hash)
		}
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	template := leafTemplate()
	leaf := issue(template, testAuthority().intermediate, small.Public(), testAuthority().intermediateKey)
	digest := make([]byte, crypto.SHA256.Size())
	p7s := must(must(Named("sogei")).Sign(small, []*x509.Certificate{leaf}, digest, instant()))
	signature, err := must(smime.Parse(p7s)).Verify(digest)
	if err != nil || !signature.Weak {
		t.Errorf("RSA-1024: %+v, %v", signature, err)
	}
}

// quirks.md E7, attacks.md 12
func signedAttributes(t *testing.T) {
	for engine, ids := range map[string]string{
		"opec": oidCapabilities, "legalmail": oidCapabilities + oidEncryptionKey, "legalmail-2015": oidCapabilities + oidMicrosoftKey,
		"register": oidSigningCertificate, "jpec": oidAlgorithmProtection,
	} {
		blob := cmsOf(t, engine)
		for _, id := range strings.SplitAfter(ids, oidCapabilities) {
			if !bytes.Contains(blob, []byte(id)) {
				t.Errorf("%s: there is no attribute % x", engine, id)
			}
		}
		verified(t, written(t, engine, "acceptance"))
	}
	for name, lie := range map[string]attributeMaker{
		"algorithms": func(s cmsStyle, c *x509.Certificate) []byte {
			s.hash = crypto.SHA256
			return algorithmProtection(s, c)
		},
		"certificate": func(s cmsStyle, _ *x509.Certificate) []byte { return signingCertificate(s, testAuthority().root) },
		"twice":       func(s cmsStyle, c *x509.Certificate) []byte { return attribute(oidContentType, []byte(oidData)) },
	} {
		message := restyled(t, func(e *Engine) { e.cms.extra = []attributeMaker{lie} })
		if _, err := must(split(message)).Verify(); !errors.Is(err, smime.ErrAttributes) {
			t.Errorf("a false %s: %v", name, err)
		}
	}
}

// quirks.md E8
func bagOrder(t *testing.T) {
	a := testAuthority()
	for _, e := range Engines() {
		signature := verified(t, written(t, e.Name, "acceptance"))
		if len(signature.Certificates) != 2 || !signature.Certificates[0].Equal(a.leaf) {
			t.Errorf("%s encloses %d certificates", e.Name, len(signature.Certificates))
		}
	}
	e := must(Named("opec"))
	message := written(t, "opec", "acceptance")
	parts := must(split(message))
	turned := append(bytes.Clone(a.intermediate.Raw), a.leaf.Raw...)
	p7s := bytes.Replace(parts.Signature, append(bytes.Clone(a.leaf.Raw), a.intermediate.Raw...), turned, 1)
	if bytes.Equal(p7s, parts.Signature) {
		t.Fatal("nothing was turned")
	}
	verified(t, assembled(draft(t, e, named("acceptance").composition()), p7s, ""))
}
