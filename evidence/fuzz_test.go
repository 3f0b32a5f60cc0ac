package evidence

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// FuzzExamine: whatever becomes of signed messages, what is valid was signed by a provider, the texts can be written, and nothing
// panics. The messages of the seeds are the only ones that were ever signed.
// attacks.md 12, 13, 20, 33
func FuzzExamine(f *testing.F) {
	l := plain()
	receipt := beta().signs(l, pec.Delivered, luigi, time.Minute)
	outer := attached("Content-Type: message/rfc822\r\n", string(receipt))
	for _, seed := range [][]byte{
		receipt, alfa().signs(l, pec.Acceptance, "", 0), alfa().signs(withFile(), pec.Transport, "", 0), beta().signs(withFile(), pec.Delivered, luigi, 0),
		thief().signs(l, pec.Delivered, anna, 0), outer, lf(receipt), l.sent(), attached("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n", inBase64(receipt)),
	} {
		f.Add(seed)
	}
	signers := map[string]bool{alfa().entry.Provider: true, beta().entry.Provider: true}
	f.Fuzz(func(t *testing.T, octets []byte) {
		e := newExaminer(usual(), func(string, error) {})
		items, err := e.examine(t.Context(), "m.eml", source{open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(octets)), nil }})
		if err != nil {
			t.Fatal(err)
		}
		r := &Report{Made: usual().Now, Counts: map[Verdict]int{}, Messages: items}
		if err := r.relate(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.sum()
		for _, i := range items {
			if i.Verdict == Valid && (i.Signature == nil || i.Directory == nil || !signers[i.Directory.Provider] || !strings.HasPrefix(i.Subject, "Diffida")) {
				t.Errorf("it is valid: %+v", i)
			}
		}
		if err := r.WriteText(io.Discard, Italian); err != nil {
			t.Error(err)
		}
	})
}
