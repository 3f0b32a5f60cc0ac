package sandbox

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refused opens a sandbox that must be refused in one line that says what to do, and leaves the directory as it was.
func refused(t *testing.T, what string, o Options, want, cure string) {
	t.Helper()
	before := snapshot(t, o.Dir)
	s, err := Open(t.Context(), o)
	if err == nil {
		s.Close()
		t.Errorf("%s: opened", what)
		return
	}
	if text := err.Error(); !strings.Contains(text, want) || !strings.Contains(text, cure) || strings.Contains(text, "\n") {
		t.Errorf("%s: %q, want %q and %q", what, text, want, cure)
	}
	after := snapshot(t, o.Dir)
	delete(after, lockName)
	delete(before, lockName)
	if !maps.Equal(before, after) {
		t.Errorf("%s: the directory was changed", what)
	}
}

// A directory that is not a sandbox's is refused and not touched, whatever was asked.
func TestForeignDirectory(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tesi.txt"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := options(t, dir)
		o.Fresh = fresh
		refused(t, fmt.Sprintf("fresh %t", fresh), o, "is no sandbox's directory (it holds tesi.txt)", "--dir")
	}
}

func TestDirectoryThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if s, err := Open(t.Context(), options(t, dir)); err == nil || !strings.Contains(err.Error(), "cannot be made") || !strings.Contains(err.Error(), "--dir") {
			t.Errorf("%s: %v, %v", dir, s, err)
		}
	}
}

// A sandbox from which something is missing, or in which something is damaged, is refused and not touched.
func TestDamagedDirectory(t *testing.T) {
	dir := newDir(t)
	for name, c := range map[string]struct{ to, want, cure string }{
		"ca.pem":           {"", "ca.pem is missing", "--fresh"},
		"ca.key":           {"", "ca.key is missing", "--fresh"},
		"alfa/signing.key": {"", "alfa/signing.key is missing", "--fresh"},
		"beta/server.pem":  {"", "beta/server.pem is missing", "--fresh"},
		signerKey:          {"", signerKey + " is missing", "--fresh"},
		serverName:         {"x", serverName, "--fresh"},
		signerName:         {"x", signerName, "--fresh"},
		clockName:          {"x", "no offset", "put it back"},
	} {
		path := filepath.Join(dir, name)
		octets, err := os.ReadFile(path)
		if err != nil && name != clockName {
			t.Fatal(err)
		}
		if c.to == "" {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, []byte(c.to), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		refused(t, name, options(t, dir), c.want, c.cure)
		if octets == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, octets, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	start(t, options(t, dir)) // all put back, it runs
}

// The data's owner is one: a second sandbox is refused, and the first goes on.
func secondIsRefused(t *testing.T, r *running) {
	dir := r.o.Dir
	for _, fresh := range []bool{false, true} {
		o := options(t, dir)
		o.Fresh = fresh
		if s, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another sandbox runs in "+dir) {
			t.Errorf("fresh %t: %v, %v", fresh, s, err)
		}
	}
	if _, err := os.Stat(r.path(contractName)); err != nil {
		t.Error(err)
	}
	r.settled("1s")
}

// A port in use is told before anything is changed, even where everything was to begin anew.
func TestPortInUse(t *testing.T) {
	dir := newDir(t)
	for _, offset := range []int{offsetControl, offsetAuthority, offsetProvider, 2*offsetProvider + 3, offsetOutside} {
		o := options(t, dir)
		o.Fresh, o.BasePort = true, occupied(t)-offset
		refused(t, fmt.Sprintf("offset %d", offset), o, "address already in use", "--base-port")
	}
}

// Fresh begins anew: other keys, no mail, no clock; only the directory stays.
func TestFresh(t *testing.T) {
	dir := newDir(t)
	r := start(t, options(t, dir))
	from, to := "mario.rossi@pec.alfa.test", "anna.bianchi@pec.alfa.test"
	if err := r.send(from, []string{to}, letter("1", from, to)); err != nil {
		t.Fatal(err)
	}
	r.settled("12h")
	r.stop()
	before := snapshot(t, dir)
	o := options(t, dir)
	o.Fresh = true
	r = start(t, o)
	if got := kinds(t, r.running[0].Store, to); len(got) != 0 || r.clock.Offset() != 0 {
		t.Errorf("mail %q and an offset of %s are left", got, r.clock.Offset())
	}
	r.stop()
	if after := snapshot(t, dir); after[caName] == before[caName] || after["alfa/signing.key"] == before["alfa/signing.key"] {
		t.Error("the keys are the old ones")
	}
}

// A first start that was cut short is done again; what it had made is not trusted.
func TestStartCutShort(t *testing.T) {
	dir := newDir(t)
	for name, octets := range map[string]string{markerName: markerMaking, "ca.pem": "half of"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(octets), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, options(t, dir))
	from, to := "mario.rossi@pec.alfa.test", "luigi.verdi@pec.beta.test"
	if err := r.send(from, []string{to}, letter("1", from, to)); err != nil {
		t.Fatal(err)
	}
	r.settled("1s")
	if got := kinds(t, r.running[1].Store, to); len(got) != 1 {
		t.Errorf("%s has %q", to, got)
	}
}
