package dialect

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

var update = flag.Bool("update", false, "write the goldens")

// expected are the data as the engine is known to write them: all deviations are here.
func expected(engine string, c pec.CertData) pec.CertData {
	c = c.Clean()
	switch engine {
	case "opec", "opec-2014", "sogei", "cedacri": // sorted by their octets
		slices.SortFunc(c.Recipients, func(a, b pec.Recipient) int { return cmp.Compare(a.Address, b.Address) })
	case "jpec", "jpec-2023":
		if c.Kind == pec.NonDelivery {
			c.Reason = pec.ReasonOther
		}
		if c.Kind == pec.Acceptance {
			c.ReplyTo = ""
		}
	}
	return c
}

// Every engine writes every kind so that it parses, agrees with itself, says what was put in, and its signature verifies
// with our code and with openssl.
func TestEveryEngineWritesEveryKind(t *testing.T) {
	for _, e := range Engines() {
		t.Run(e.Name, func(t *testing.T) {
			shop := newWorkshop(t)
			for _, s := range samples {
				t.Run(s.name, func(t *testing.T) {
					c := s.composition()
					message := seal(t, e, draft(t, e, c), sampleBody)
					m := consistent(t, message)
					if s.kind != pec.Anomaly && !m.Data.Equal(expected(e.Name, c.Data)) {
						t.Errorf("the data read back are %+v, want %+v", m.Data, expected(e.Name, c.Data))
					}
					wantOriginal(t, e, c, m, message)
					if signature := verified(t, message); signature.Weak != (e.cms.hash.Size() == 20) {
						t.Errorf("weak: %t", signature.Weak)
					}
					shop.verifies(t, message)
				})
			}
		})
	}
}

// wantOriginal wants the enclosed octets to be those of the original, but for the places of the fields that providers add.
func wantOriginal(t *testing.T, e *Engine, c pec.Composition, m *pec.Message, message []byte) {
	t.Helper()
	if (m.Original != nil) != (c.Original != nil) {
		t.Fatalf("an original is enclosed: %t", m.Original != nil)
	}
	if c.Original == nil {
		return
	}
	got, want := string(message[m.Original.Body:m.Original.End]), string(c.Original)+sampleBody
	if c.Data.Kind == pec.Transport {
		got, want = sortedLines(strings.TrimPrefix(strings.TrimPrefix(got, e.original.returnPath), ": <"+string(mario)+">\r\n")), sortedLines(want)
	}
	if got != want {
		t.Errorf("the original is\n%s\nwant\n%s", got, want)
	}
}

func sortedLines(s string) string {
	lines := strings.SplitAfter(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// workshop is a directory with the root that openssl trusts.
type workshop struct{ root, message string }

func newWorkshop(t *testing.T) workshop {
	dir := t.TempDir()
	w := workshop{filepath.Join(dir, "root.pem"), filepath.Join(dir, "message.eml")}
	if err := os.WriteFile(w.root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testAuthority().root.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// verifies gives a message to both of openssl's readers.
func (w workshop) verifies(t *testing.T, message []byte) {
	t.Helper()
	if err := os.WriteFile(w.message, message, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, reader := range []string{"cms", "smime"} {
		out, err := exec.Command("openssl", reader, "-verify", "-purpose", "any", "-CAfile", w.root, "-in", w.message, "-out", os.DevNull,
			"-attime", fmt.Sprint(instant().Unix())).CombinedOutput()
		if err != nil {
			t.Errorf("openssl %s: %v: %s", reader, err, out)
		}
	}
}

// What an engine writes, for a reader to see: without a signature that is one, which would differ from run to run.
func TestGoldens(t *testing.T) {
	for _, e := range Engines() {
		for _, name := range []string{"transport", "delivered, complete"} {
			file := filepath.Join("testdata", e.Name+"."+strings.TrimSuffix(name, ", complete")+".eml")
			got := assembled(draft(t, e, named(name).composition()), []byte("the signature would stand here"), sampleBody)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s is not as in %s:\n%s", e.Name, name, file, got)
			}
		}
	}
}
