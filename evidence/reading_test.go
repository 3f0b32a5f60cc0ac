package evidence

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

func lf(octets []byte) []byte { return bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")) }

func zipped(files map[string][]byte) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, octets := range files {
		_, _ = must(w.Create(name)).Write(octets)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// attached is an ordinary message with octets attached.
func attached(fields, content string) []byte {
	return []byte("From: x@y.test\r\nTo: z@y.test\r\nSubject: Fwd\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"outer\"\r\n\r\n" +
		"--outer\r\nContent-Type: text/plain\r\n\r\nvedi allegato\r\n--outer\r\n" + fields + "\r\n" + content + "\r\n--outer--\r\n")
}

func inBase64(octets []byte) string {
	var b strings.Builder
	for chunk := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(octets)), 76) {
		b.Write(chunk)
		b.WriteString("\r\n")
	}
	return b.String()
}

// The octets as people keep them (quirks.md E14, A8).
func TestWaysToKeepAMessage(t *testing.T) {
	l := plain()
	receipt := beta().signs(l, pec.Delivered, luigi, 0)
	headless := receipt[bytes.Index(receipt, []byte("Content-Type: multipart/signed")):]
	for name, c := range map[string]struct {
		file   string
		octets []byte
		how    []How
		want   []string
	}{
		"as it is":          {"r.eml", receipt, nil, []string{"r.eml: valid"}},
		"with bare LF":      {"r.eml", lf(receipt), []How{LinesRestored}, []string{"r.eml: valid"}},
		"with bare LF, cut": {"r.eml", lf(edit(receipt, "Si diffida", "Si sfida")), []How{LinesRestored}, []string{"r.eml: invalid content-altered"}},
		"in an mbox, escaped": {"box.mbox", []byte("From x Tue Mar  5 10:00:00 2024\r\n" + strings.ReplaceAll(string(receipt), "\r\nFrom me", "\r\n>From me") + "\r\n"), []How{Unescaped},
			[]string{"box.mbox#1: valid"}},
		"in an mbox with LF": {"box.mbox", lf([]byte("From x Tue Mar  5 10:00:00 2024\r\n" + strings.ReplaceAll(string(receipt), "\r\nFrom me", "\r\n>From me") + "\r\n")), []How{Unescaped, LinesRestored},
			[]string{"box.mbox#1: valid"}},
		"in an archive":   {"a.zip", zipped(map[string][]byte{"2024/r.eml": receipt}), nil, []string{"a.zip/2024/r.eml: valid"}},
		"attached":        {"f.eml", attached("Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"r.eml\"\r\n", string(receipt)), nil, []string{"f.eml: ordinary", "f.eml > r.eml: valid"}},
		"attached, coded": {"f.eml", attached("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n", inBase64(receipt)), []How{Decoded}, []string{"f.eml: ordinary", "f.eml > 2: valid"}},
		"attached as a file": {"f.eml", attached("Content-Type: application/octet-stream; name=\"r.eml\"\r\nContent-Transfer-Encoding: base64\r\n", inBase64(receipt)), []How{Decoded},
			[]string{"f.eml: ordinary", "f.eml > r.eml: valid"}},
		"behind a byte order mark": {"r.eml", append([]byte("\xef\xbb\xbf"), receipt...), []How{LeadRemoved}, []string{"r.eml: valid"}},
		"behind empty lines":       {"r.eml", append([]byte("\n\n"), lf(receipt)...), []How{LeadRemoved, LinesRestored}, []string{"r.eml: valid"}},
		"as a part of a list's":    {"f.eml", attached("", "x\r\n--outer\r\n"+string(headless)), []How{PartOnly}, []string{"f.eml: ordinary", "f.eml > 3: valid"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := examined(t, usual(), map[string][]byte{c.file: c.octets})
			expect(t, r, c.want...)
			if last := r.Messages[len(r.Messages)-1]; !slices.Equal(last.How, c.how) {
				t.Errorf("it was read %v, want %v", last.How, c.how)
			}
		})
	}
}

// Certified mail in certified mail is told apart, each with what is its own (quirks.md A3 and F6, attacks.md 13).
func TestNested(t *testing.T) {
	inner := beta().signs(plain(), pec.Delivered, luigi, 0)
	outer := plain()
	outer.id, outer.client, outer.subject = "m9@pec.alfa.test", "<9@client.test>", "Inoltro"
	outer.header = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"in\"\r\n"
	outer.body = "--in\r\nContent-Type: message/rfc822\r\n\r\n" + string(inner) + "\r\n--in--\r\n"
	r := examined(t, usual(), map[string][]byte{"b.eml": alfa().signs(outer, pec.Transport, "", 0)})
	expect(t, r, "b.eml: valid", "b.eml > 1.3.1: valid")
	a, b := r.Messages[0], r.Messages[1]
	if a.Kind != pec.Transport || a.ID != outer.id || b.Kind != pec.Delivered || b.ID != plain().id || b.Parent != "b.eml" {
		t.Errorf("outer %s %s, inner %s %s in %q", a.Kind, a.ID, b.Kind, b.ID, b.Parent)
	}
	if len(r.Stories) != 2 {
		t.Errorf("%d stories", len(r.Stories))
	}
	// A forged one in a true one is not covered by the true one's verdict.
	outer.body = strings.Replace(outer.body, "Si diffida", "Si sfida", 1)
	expect(t, examined(t, usual(), map[string][]byte{"b.eml": alfa().signs(outer, pec.Transport, "", 0)}), "b.eml: valid", "b.eml > 1.3.1: invalid content-altered")
}

// Messages in messages have an end. What is not looked at is told, and makes the whole unknown, whatever is valid beside it.
// attacks.md 20, 34
func TestNotLookedAt(t *testing.T) {
	good := beta().signs(plain(), pec.Delivered, luigi, 0)
	const file = "Content-Type: application/octet-stream; name=\"x.eml\"\r\nContent-Transfer-Encoding: base64\r\n"
	deep := good
	for range maxDepth + 2 {
		deep = attached(file, inBase64(deep))
	}
	for name, octets := range map[string][]byte{
		"too deep":         deep,
		"too many parts":   attached("", "x\r\n--outer\r\n"+strings.Repeat("Content-Type: text/plain\r\n\r\nx\r\n--outer\r\n", 10050)),
		"too many of them": attached("", "x"+strings.Repeat("\r\n--outer\r\n"+file+"\r\n"+inBase64([]byte("A: b\r\n\r\n")), maxNested+1)),
		"no base64":        attached(file, "!!!!"),
	} {
		t.Run(name, func(t *testing.T) {
			r := examined(t, usual(), map[string][]byte{"f.eml": octets, "g.eml": good})
			if r.Verdict != Unknown || len(r.Unread) != 1 || r.Counts[Valid] != 1 {
				t.Errorf("%s, unread %v, %v", r.Verdict, r.Unread, r.Counts)
			}
		})
	}
}

// Certified mail that is attached is found however it is attached, and if it is forged it is invalid.
// attacks.md 13, 34
func TestForgedAndAttached(t *testing.T) {
	good := beta().signs(plain(), pec.Delivered, luigi, 0)
	bad := edit(good, "Si diffida", "Si sfida")
	unsigned := bytes.Replace(bad, []byte("Content-Type: multipart/signed"), []byte("Content-Type: multipart/mixed"), 1)
	for name, c := range map[string]struct {
		octets []byte
		want   string
	}{
		"an encoding with a comment":   {attached("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64 (x)\r\n", inBase64(bad)), "content-altered"},
		"an encoding with a parameter": {attached("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64; x\r\n", inBase64(bad)), "content-altered"},
		"without any signature":        {attached("Content-Type: message/rfc822\r\n", string(unsigned)), "not-signed"},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, examined(t, usual(), map[string][]byte{"f.eml": c.octets, "g.eml": good}), "f.eml: ordinary", "f.eml > 2: invalid "+c.want, "g.eml: valid")
		})
	}
	// In an anomaly envelope it is where it belongs: it is told, and does not decide the whole.
	head, body, _ := strings.Cut(string(bad), "\r\n\r\n")
	anomaly := plain().message(pec.Anomaly, "", 0)
	anomaly.Data.Detail, anomaly.MessageID, anomaly.Original = "firma non valida", "an@pec.alfa.test", []byte(head+"\r\n\r\n")
	files := map[string][]byte{"a.eml": alfa().seal(anomaly, body)}
	r := examined(t, usual(), files)
	expect(t, r, "a.eml: valid", "a.eml > postacert.eml: invalid content-altered")
	if r.Verdict != Unknown || r.Wrapped != 1 {
		t.Errorf("of an anomaly envelope alone the whole is %s", r.Verdict)
	}
	files["g.eml"] = good
	if r := examined(t, usual(), files); r.Verdict != Valid || r.Counts[Invalid] != 0 {
		t.Errorf("the whole is %s, %v", r.Verdict, r.Counts)
	}
}

// What cannot be read is told, and the whole is not valid.
func TestUnread(t *testing.T) {
	receipt := beta().signs(plain(), pec.Delivered, luigi, 0)
	damaged := zipped(map[string][]byte{"r.eml": receipt})
	damaged[len(damaged)/2] ^= 0x55
	r := examined(t, usual(), map[string][]byte{"a.zip": damaged, "b.eml": receipt, "c.msg": []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest"), "d.pdf": []byte("%PDF-1.4")})
	if r.Verdict != Unknown || len(r.Unread) != 2 || r.PassedOver != 1 || r.Counts[Valid] != 1 {
		t.Errorf("verdict %s, unread %v, passed over %d, %v", r.Verdict, r.Unread, r.PassedOver, r.Counts)
	}
	if _, err := Examine(t.Context(), []string{"no such file"}, usual()); err == nil {
		t.Error("a path that is not there")
	}
	empty := examined(t, usual(), nil)
	if empty.Verdict != Unknown {
		t.Errorf("of nothing the verdict is %s", empty.Verdict)
	}
}
