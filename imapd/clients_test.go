package imapd

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/store"
)

// run runs a real program that has to succeed, and gives what it writes.
func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	var errors strings.Builder
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Stderr = &errors
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, arguments, err, out, errors.String())
	}
	return string(out)
}

func TestCurl(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(t, "INBOX", transport)
	h.put(t, "INBOX", samples()["long"])
	ca := caFile(t)
	curl := func(arguments ...string) string {
		t.Helper()
		return run(t, "curl", append([]string{"--silent", "--show-error", "--cacert", ca, "--user", testUser + ":" + testPassword}, arguments...)...)
	}
	url := "imaps://" + h.address
	if got := curl(url + "/"); !strings.Contains(got, `* LIST (\HasNoChildren \Sent) "/" "Inviata"`) {
		t.Errorf("%q", got)
	}
	if got := curl(url + "/INBOX;UID=1"); got != transport {
		t.Errorf("%q", got)
	}
	if got := curl(url + "/INBOX;UID=1;SECTION=1.3"); got != inner {
		t.Errorf("%q", got)
	}
	if got := curl("--login-options", "AUTH=PLAIN", url+"/INBOX;UID=2"); got != samples()["long"] {
		t.Errorf("%d octets", len(got))
	}
	if got := curl(url + "/INBOX?SUBJECT%20posta"); got != "* SEARCH 1\r\n" {
		t.Errorf("%q", got)
	}
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, []byte(inner), 0o600); err != nil {
		t.Fatal(err)
	}
	curl("--upload-file", file, url+"/Inviata")
	if got := curl(url + "/Inviata;UID=1"); got != inner {
		t.Errorf("%q", got)
	}
	curl("--request", `STORE 1 +FLAGS (\Flagged)`, url+"/INBOX")
	if f := h.entries(t, "INBOX")[0].Flags; !hasFlag(f, `\Flagged`) || !hasFlag(f, `\Seen`) {
		t.Errorf("flags %q", f)
	}
}

const mbsyncConfig = `IMAPAccount anna
Host localhost
Port %s
User %s
Pass %s
SSLType IMAPS
CertificateFile %s
AuthMechs LOGIN

IMAPStore far
Account anna

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel anna
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
CopyArrivalDate yes
`

var tuid = regexp.MustCompile("X-TUID: .*\n")

// TestMbsync keeps a mailbox in step with a directory, both ways.
func TestMbsync(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(t, "INBOX", transport, `\Seen`)
	h.put(t, "INBOX", inner)
	h.put(t, "Inviata", samples()["plain"], `\Flagged`)
	_, port, err := net.SplitHostPort(h.address)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	config := filepath.Join(home, "mbsyncrc")
	text := fmt.Sprintf(mbsyncConfig, port, testUser, testPassword, caFile(t), home, home)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sync := func() { t.Helper(); run(t, "mbsync", "--config", config, "anna") }
	files := func(folder string) (all []string) {
		t.Helper()
		for _, sub := range []string{"new", "cur"} {
			found, err := filepath.Glob(filepath.Join(home, folder, sub, "*"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, found...)
		}
		return all
	}
	sync()
	if got := len(files("INBOX")); got != 2 {
		t.Fatalf("%d messages came", got)
	}
	for _, file := range append(files("INBOX"), files("Inviata")...) {
		octets, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// mbsync adds a field of its own to what it stores here.
		if got := crlf(tuid.ReplaceAllString(string(octets), "")); got != transport && got != inner && got != samples()["plain"] {
			t.Errorf("%s: %q", file, got)
		}
		switch {
		case strings.HasSuffix(file, ",S"): // the seen one is answered here, and the other thrown away
			err = os.Rename(file, file[:len(file)-1]+"RS")
		case strings.Contains(file, "INBOX"):
			err = os.Remove(file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	draft := filepath.Join(home, "Bozze", "new", "1.local")
	if err := os.WriteFile(draft, []byte("Subject: bozza\n\nciao\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sync()
	inbox, drafts := h.entries(t, "INBOX"), h.entries(t, "Bozze")
	if len(inbox) != 1 || !hasFlag(inbox[0].Flags, `\Answered`) || len(drafts) != 1 {
		t.Errorf("%+v %+v", inbox, drafts)
	}
	h.put(t, "Bozze", small)
	sync()
	if got := len(files("Bozze")); got != 2 {
		t.Errorf("%d drafts", got)
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Error(h.log)
	}
}

func (h *house) entries(t testing.TB, folder string) []store.Entry {
	t.Helper()
	entries, err := h.store.Entries(context.Background(), h.folder(t, folder).ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
