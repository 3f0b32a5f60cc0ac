package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// verdict is of a report what is looked at here.
type verdict struct {
	Verdict  string `json:"verdict"`
	Messages []struct {
		Name    string `json:"name"`
		Kind    string `json:"kind"`
		Verdict string `json:"verdict"`
		Reasons []struct {
			Code string `json:"code"`
		} `json:"reasons"`
		ReadAs []string `json:"read_as"`
	} `json:"messages"`
	Stories []struct {
		Proven     bool `json:"proven"`
		Recipients []struct {
			Address string `json:"address"`
			State   string `json:"state"`
		} `json:"recipients"`
		Missing   []any `json:"missing"`
		Problems  []any `json:"problems"`
		Originals []struct {
			Same   bool `json:"same"`
			ByHash bool `json:"by_hash"`
		} `json:"originals"`
	} `json:"stories"`
}

// verify runs the verifier over files of a provider's holder.
func (s *sandbox) verify(t *testing.T, status int, trust []string, files ...string) (v verdict) {
	t.Helper()
	r := run(t, "", "ceralacca", slices.Concat([]string{"verify", "--json"}, trust, files)...)
	if r.status != status {
		t.Errorf("exit status %d, want %d\n%s%s", r.status, status, clip(r.stdout), r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
		t.Fatalf("%v in %s%s", err, clip(r.stdout), r.stderr)
	}
	return v
}

// TestVerify: a mailbox as a mail program keeps it, verified with what the sandbox's authority gives; then altered, and without
// anything to trust in.
// norms.md 45, 51, 53, 83
func TestVerify(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 2)
	from, to := s.alfa().Mailboxes[0], []string{s.beta().Mailboxes[0].Address, s.beta().Mailboxes[1].Address}
	l := letter{
		from: from.Address, to: to, subject: "Fattura è qui", id: "<verifica@client.test>",
		more: []string{"X-TipoRicevuta: breve", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=confine"},
		body: "--confine\r\nContent-Type: text/plain\r\n\r\nCiao.\r\n--confine\r\nContent-Type: application/octet-stream; name=\"fattura.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte("fattura")) + "\r\n--confine--\r\n",
	}
	s.submit(t, s.alfa(), from, l)
	s.settle(t)
	folder, sent := s.maildir(t, from), filepath.Join(t.TempDir(), "inviato.eml")
	writeFile(t, sent, unix(l.octets()))
	anchor := []string{"--anchor", s.path(s.CAFile)}
	all := append(anchor, "--directory", filepath.Join(s.path(s.alfa().DataDir), "directory.ldif.p7m"), "--directory-signer", s.path(s.Authority.DirectorySignerFile))

	v := s.verify(t, 0, all, folder, sent)
	if v.Verdict != "valid" || len(v.Messages) != 4 || len(v.Stories) != 1 {
		t.Fatalf("%+v", v)
	}
	for _, m := range v.Messages[:3] {
		if m.Verdict != "valid" || !slices.Contains(m.ReadAs, "line-ends-restored") {
			t.Errorf("%+v", m)
		}
	}
	story := v.Stories[0]
	if !story.Proven || len(story.Missing)+len(story.Problems) > 0 || len(story.Recipients) != 2 || story.Recipients[0].State != "delivered" || story.Recipients[1].State != "delivered" ||
		len(story.Originals) != 2 || !story.Originals[0].Same || !story.Originals[0].ByHash {
		t.Errorf("%+v", story)
	}
	s.verify(t, 0, anchor, folder)
	if v := s.verify(t, 5, nil, folder); v.Messages[0].Reasons[0].Code != "no-anchors" {
		t.Errorf("%+v", v)
	}
	page := filepath.Join(t.TempDir(), "rapporto.html")
	tool(t, "ceralacca", slices.Concat([]string{"verify", "--html", page, "--lang", "en"}, all, []string{folder, sent})...)
	if text := string(readFile(t, page)); !strings.Contains(text, "Fattura è qui") || strings.Contains(text, "<script") || !strings.Contains(text, "delivered the message to the mailbox of "+to[0]) {
		t.Error(clip(text))
	}
	s.verifyAltered(t, all, folder)
}

// verifyAltered alters one octet of the first message that says to be a delivery.
func (s *sandbox) verifyAltered(t *testing.T, all []string, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		octets := string(readFile(t, name))
		if strings.Contains(octets, "X-Ricevuta: avvenuta-consegna") && strings.Contains(octets, "Ciao.") {
			if err := os.WriteFile(name, []byte(strings.Replace(octets, "Ciao.", "Ciao!", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	v := s.verify(t, 4, all, folder)
	altered, undelivered := 0, 0
	for _, m := range v.Messages {
		if m.Verdict == "invalid" && m.Reasons[0].Code == "content-altered" {
			altered++
		}
	}
	for _, r := range v.Stories[0].Recipients {
		if r.State == "accepted" {
			undelivered++
		}
	}
	if altered != 1 || undelivered != 1 || len(v.Stories[0].Missing) != 1 {
		t.Errorf("%+v", v)
	}
}
