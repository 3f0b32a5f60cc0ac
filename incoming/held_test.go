package incoming

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// attacks.md 11 to 14, 16: what looks like PEC and fails a check is put aside with the check's name, and changes nothing.
// norms.md 47 to 49, 53, 59, 62, 64
func TestForgedEnvelopesArePutAside(t *testing.T) {
	w := newWorld(t)
	const id = pec.ID("m1@pec.beta.test")
	right := func() pec.Composition { return beta().envelope(id, luigi, mario) }
	sealed := beta().issue(right())
	signedBy := func(h *house, address pec.Address) []byte {
		c := right()
		c.SigningAddress = address
		return h.forge(c, unchanged)
	}
	for name, c := range map[string]struct {
		octets []byte
		want   string
	}{
		// 16: imitations.
		"only the header":     {[]byte("From: x@y.test\r\nX-Trasporto: posta-certificata\r\nSubject: POSTA CERTIFICATA: x\r\n\r\nx\r\n"), checkExistence},
		"a receipt's header":  {[]byte("From: x@y.test\r\nX-Ricevuta: avvenuta-consegna\r\n\r\nx\r\n"), checkExistence},
		"only the data":       {[]byte("From: x@y.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/xml; name=daticert.xml\r\n\r\n<postacert/>\r\n--b--\r\n"), checkExistence},
		"signature cut off":   {sealed[:strings.LastIndex(string(sealed), "Content-Type: application/pkcs7-signature")], checkExistence},
		"signature is none":   {edit(sealed, "\r\n\r\nMII", "\r\n\r\nXII"), checkExistence},
		"signature of nobody": {edit(sealed, "application/pkcs7-signature; name", "application/octet-stream; name"), checkExistence},
		// 11: signers.
		"not in the directory":     {signedBy(mallory(), beta().unit.Address), checkOrigin},
		"under no root":            {delta().issue(delta().envelope("m1@pec.delta.test", "d@pec.delta.test", mario)), checkValidity},
		"for another's domain":     {gamma().issue(beta().envelope(id, luigi, mario)), "formal correctness: the sender's domain pec.beta.test is not one of Gamma"},
		"in another's name":        {signedBy(gamma(), beta().unit.Address), "formal correctness: From is"},
		"for an unlisted domain":   {gamma().issue(gamma().envelope(id, luigi+".elsewhere", mario)), "the sender's domain"},
		"our own, from outside in": {beta().issue(beta().envelope(id, mario, mario)), "the sender's domain pec.alfa.test is not one of Beta"},
		// 12, 13: what is signed.
		"an octet altered":         {edit(sealed, "Ciao!", "Addio"), checkValidity},
		"the data altered":         {withDataOf(sealed, "Prova", "Altro"), checkValidity},
		"a part beside the signed": {edit(sealed, "Content-Type: application/pkcs7-signature", "Content-Type: text/plain\r\n\r\nx\r\n"+boundaryOf(sealed)+"\r\nContent-Type: application/pkcs7-signature"), checkExistence},
		// quirks.md A8: further down, as a list server leaves it, it is certified mail for verifiers, and ordinary mail on the wire.
		"wrapped":                    {wrap(sealed, "multipart/mixed", "X-Trasporto: posta-certificata"), checkExistence},
		"wrapped as signed":          {wrap(sealed, "multipart/signed", "X-Trasporto: posta-certificata"), checkExistence},
		"forwarded in one's header":  {wrap(sealed, "message", "X-Trasporto: posta-certificata"), checkExistence},
		"two readings of a boundary": {twoReadings(sealed), checkExistence},
		// 14: header against data against original.
		"said to be a receipt":       {edit(sealed, "X-Trasporto: posta-certificata", "X-Ricevuta: avvenuta-consegna"), checkFormal},
		"said to be both":            {edit(sealed, "X-Trasporto: posta-certificata", "X-Ricevuta: accettazione\r\nX-Trasporto: posta-certificata"), checkFormal},
		"said to be an anomaly":      {edit(sealed, "X-Trasporto: posta-certificata", "X-Trasporto: errore"), checkFormal},
		"said to be nothing":         {edit(sealed, "X-Trasporto: posta-certificata\r\n", ""), checkFormal},
		"another identifier outside": {edit(sealed, "Message-ID: <"+string(id)+">", "Message-ID: <other@pec.beta.test>"), checkFormal},
		"another author outside":     {edit(sealed, "From: \"Per conto di: luigi@pec.beta.test\" <posta-certificata@pec.beta.test>", "From: <posta-certificata@pec.gamma.test>"), checkFormal},
		"two authors outside":        {edit(sealed, "X-Trasporto:", "From: eva@x.test\r\nX-Trasporto:"), checkFormal},
		"another Sender":             {edit(sealed, "X-Trasporto:", "Sender: eva@x.test\r\nX-Trasporto:"), checkFormal},
		"another identifier inside": {beta().forge(right(), func(s string) string {
			return string(edit([]byte(s), "Message-ID: <"+string(id), "Message-ID: <x@pec.beta.test"))
		}), checkFormal},
		"no original": {beta().forge(right(), func(s string) string { return string(edit([]byte(s), "message/rfc822", "text/x-rfc822")) }), checkFormal},
		"an encoded original": {beta().forge(right(), func(s string) string {
			return string(edit([]byte(s), "Transfer-Encoding: 7bit", "Transfer-Encoding: base64"))
		}), checkFormal},
		"no data":  {beta().forge(right(), func(s string) string { return strings.ReplaceAll(s, "daticert.xml", "altro.xml") }), checkFormal},
		"two data": {beta().forge(right(), func(s string) string { return strings.ReplaceAll(s, "postacert.eml", "daticert.xml") }), checkFormal},
		"data of another kind": {beta().forge(right(), withData(func(x string) string {
			return string(edit([]byte(x), `tipo="posta-certificata"`, `tipo="accettazione"`))
		})), checkFormal},
		"data of an unknown kind": {beta().forge(right(), withData(func(x string) string { return string(edit([]byte(x), `tipo="posta-certificata"`, `tipo="rosa"`)) })), checkFormal},
		"data with an entity": {beta().forge(right(), withData(func(x string) string {
			return "<!DOCTYPE x [<!ENTITY e \"x\">]>" + string(edit([]byte(x), "<mittente>", "<mittente>&e;"))
		})), checkFormal},
		"data of two senders": {beta().forge(right(), withData(func(x string) string {
			return string(edit([]byte(x), "<mittente>", "<mittente>eva@x.test</mittente><mittente>"))
		})), checkFormal},
	} {
		w.wantAside(name, c.want, c.octets, "", luigi, mario)
	}
	// The SMTP paths (norms.md 106).
	w.wantAside("another reverse path", "the reverse path sara@studio.beta.test is not the sender", sealed, "", sara, mario)
	w.wantAside("a null reverse path", "the reverse path  is not the sender", beta().issue(right()), "", "", mario)
	w.wantAside("another recipient", "the recipient anna@comune.alfa.test is not in the certification data", sealed, "", luigi, anna)
	w.wantAside("one recipient too many", "the recipient anna@comune.alfa.test is not", beta().issue(right()), "", luigi, mario, anna)
}

// withDataOf alters the certification data of a message without signing it again.
func withDataOf(octets []byte, old, new string) []byte {
	return []byte(withData(func(xml string) string { return string(edit([]byte(xml), old, new)) })(string(octets)))
}

// boundaryOf is the outermost boundary line of a message.
func boundaryOf(octets []byte) string {
	_, after, _ := strings.Cut(string(octets), `boundary="`)
	boundary, _, _ := strings.Cut(after, `"`)
	return "--" + boundary
}

// wrap puts a message into another one that has a field of its own.
func wrap(octets []byte, kind, field string) []byte {
	lead := "From: eva@x.test\r\nSubject: POSTA CERTIFICATA: x\r\n" + field + "\r\nMIME-Version: 1.0\r\n"
	if kind == "message" {
		return append([]byte(lead+"Content-Type: message/rfc822\r\n\r\n"), octets...)
	}
	lead += "Content-Type: " + kind + "; protocol=\"application/pkcs7-signature\"; boundary=w\r\n\r\n--w\r\nContent-Type: text/plain\r\n\r\nprima\r\n--w\r\n"
	return append(append([]byte(lead), octets...), "\r\n--w--\r\n"...)
}

// attacks.md 11: a certificate counts at the instant of arrival.
// norms.md 49
func TestExpiredCertificateIsRefused(t *testing.T) {
	w := newWorld(t)
	octets := beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario))
	w.pass(366 * 24 * time.Hour)
	w.wantAside("expired", checkValidity, octets, "", luigi, mario)
}

// norms.md 123: whoever left the directory signs nothing any more; a domain that two claim is nobody's (attacks.md 17, 19).
func TestDirectoryInForceDecides(t *testing.T) {
	w := newWorld(t)
	octets := beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario))
	w.dir = published(alfa(), gamma())
	// A copy that is old may lack a new certificate: the peer is asked to come again, and nothing is kept.
	w.Stale = func() bool { return true }
	if err := w.receive(octets, luigi, mario); !errors.Is(err, ErrStale) || w.facts() != 0 {
		t.Errorf("with an old directory: %v", err)
	}
	w.Stale = func() bool { return false }
	w.wantAside("the provider left", checkOrigin, octets, "", luigi, mario)
	claims := *gamma().entry
	claims.Domains = append([]string{"pec.beta.test"}, claims.Domains...)
	w.dir = published(alfa(), beta(), &house{entry: &claims})
	w.wantAside("the domain is claimed by two", "formal correctness: the sender's domain pec.beta.test is not one of Beta", octets, "", luigi, mario)
}

// norms.md 52: signatures with SHA-1 digests are taken or not, by a switch.
func TestSHA1IsASwitch(t *testing.T) {
	octets := sha1Signed(t, beta().envelope("m1@pec.beta.test", luigi, mario))
	for _, allowed := range []bool{true, false} {
		w := newWorld(t)
		w.AllowSHA1 = allowed
		if !allowed {
			w.wantAside("SHA-1", "signature validity: the digest is SHA-1", octets, "", luigi, mario)
			continue
		}
		if err := w.receive(octets, luigi, mario); err != nil {
			t.Fatal(err)
		}
		w.wantTaken("SHA-1", "m1@pec.beta.test", []pec.Address{mario})
	}
}

// sha1Signed is an envelope of Beta's whose signature openssl makes over a SHA-1 digest.
func sha1Signed(t *testing.T, c pec.Composition) []byte {
	dir := t.TempDir()
	write := func(name string, octets []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: beta().signer.Certificate().Raw}))
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(beta().key))}))
	var signed string
	octets := beta().forge(c, func(s string) string { signed = s; return s })
	write("signed", []byte(signed))
	run := exec.Command("openssl", "cms", "-sign", "-binary", "-md", "sha1", "-signer", "cert.pem", "-inkey", "key.pem", "-in", "signed", "-outform", "DER", "-out", "p7s")
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p7s, err := os.ReadFile(filepath.Join(dir, "p7s"))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha1.Sum([]byte(signed)); !strings.Contains(string(p7s), string(sum[:])) {
		t.Fatal("openssl did not sign the SHA-1 digest")
	}
	lead, _, _ := strings.Cut(string(octets), "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\""+pec.SignatureName)
	micalg := strings.Replace(lead, `micalg="sha-256"`, "micalg=sha1", 1)
	return []byte(micalg + "Content-Transfer-Encoding: base64\r\n\r\n" + wrapped(string(p7s)) + boundaryOf(octets) + "--\r\n")
}

// A check that cannot be made is no check that failed: nothing is said and nothing kept.
func TestOwnFailureHoldsNothing(t *testing.T) {
	w := newWorld(t)
	octets := beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario))
	keys := alfa().unit.Keys
	unit := *alfa().unit
	unit.Keys = nil
	w.Units[0] = &unit
	before := w.state("")
	if err := w.receive(octets, luigi, mario); err == nil {
		t.Error("taken without a key for the receipt")
	}
	if after := w.state(""); after != before || w.facts() != 0 || len(w.warnings.list) > 0 {
		t.Errorf("%+v became %+v", before, after)
	}
	unit.Keys = keys
	if err := w.receive(octets, luigi, mario); err != nil {
		t.Error(err)
	}
}

// twoReadings puts altered parts in front of the signed ones, under a boundary that readers may unescape or not.
func twoReadings(sealed []byte) []byte {
	head, parts, _ := strings.Cut(string(sealed), "\r\n\r\n")
	delimiter := boundaryOf(sealed)
	forged := strings.ReplaceAll(strings.Replace(parts[strings.Index(parts, delimiter):], "Ciao!", "Pago!", 1), delimiter, `--\`+delimiter[2:])
	return []byte(strings.Replace(head, `boundary="`, `boundary="\`, 1) + "\r\n\r\n" + forged + "\r\n" + parts)
}
