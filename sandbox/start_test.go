package sandbox

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/provider"
	"github.com/ceralacca/ceralacca/store"
)

// Keys are made in a new directory only: what the marker does not say is never taken for a start that was cut short.
func TestDamagedMarkerIsRefused(t *testing.T) {
	dir := newDir(t)
	for _, text := range []string{"", "2\n", "makin"} {
		if err := os.WriteFile(filepath.Join(dir, markerName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, text, options(t, dir), "is damaged, or another version's: ceralacca-sandbox holds", "Put it back, or begin anew with --fresh")
	}
	if err := os.Remove(filepath.Join(dir, markerName)); err != nil {
		t.Fatal(err)
	}
	refused(t, "none", options(t, dir), dir+" is no sandbox's directory", "--dir")
}

// Root may write everywhere, but not here.
func TestDirectoryThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, lockName), 0o700); err != nil {
		t.Fatal(err)
	}
	refused(t, "lock", options(t, dir), "the directory cannot be written: ", "Name another one with --dir")
}

// A later start may ask for more mailboxes; with fewer, those that are there stay. The service mailbox always has the
// password that is documented. A start that failed at its last step has held nothing that would hinder the next one.
func TestLaterStarts(t *testing.T) {
	o := options(t, newDir(t))
	for _, n := range []int{5, 1} {
		o.Mailboxes = n
		failedStart(t, o)
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		p, st := s.Contract().Providers[1], s.running[1].Store
		all, err := st.Mailboxes(t.Context())
		if err != nil || len(all) != 6+5 || len(p.Mailboxes) != n {
			t.Errorf("%d are named, there are %v, %v; want %d, and 5 with the service mailbox and those of the documented outcomes", len(p.Mailboxes), all, err, n)
		}
		for _, a := range []Account{p.Mailboxes[n-1], p.ServiceMailbox} {
			if _, err := st.Authenticate(t.Context(), a.Address, a.Password); err != nil {
				t.Errorf("%s: %v", a.Address, err)
			}
		}
		if err := st.SetPassword(t.Context(), pec.Address(p.ServiceMailbox.Address), "un'altra"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// failedStart fails when all but Beta is open.
func failedStart(t *testing.T, o Options) {
	t.Helper()
	lock, err := store.LockFile(filepath.Join(o.Dir, "beta", "data", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := Open(t.Context(), o); !errors.Is(err, store.ErrLocked) {
		t.Fatalf("with Beta's data taken: %v", err)
	}
}

// An offset that cannot be kept is not used: after a restart the data would be ahead of the clock.
func TestOffsetThatCannotBeKept(t *testing.T) {
	s := &Sandbox{o: Options{Dir: filepath.Join(t.TempDir(), "nowhere")}, clock: provider.NewClock(0)}
	if err := s.jump(time.Hour); err == nil || s.clock.Offset() != 0 {
		t.Errorf("%v, ahead by %s", err, s.clock.Offset())
	}
}

// What listens on all addresses, for containers, is dialled on loopback.
func TestPlanOnOtherAddresses(t *testing.T) {
	for host, want := range map[string][2]string{
		"127.0.0.1": {"127.0.0.1:25", "127.0.0.1:25"}, "0.0.0.0": {"127.0.0.1:25", "0.0.0.0:25"}, "::": {"127.0.0.1:25", "[::]:25"},
		"::1": {"[::1]:25", "[::1]:25"}, "192.0.2.1": {"192.0.2.1:25", "192.0.2.1:25"},
	} {
		p := &plan{host: host}
		if got := p.dialled(25); got != want[0] || p.listened(got) != want[1] {
			t.Errorf("%s: dialled %s, listened %s, want %q", host, got, p.listened(got), want)
		}
	}
}

// Free ports are none that the system may give to somebody else before the services open.
func TestFreePorts(t *testing.T) {
	for range 20 {
		p, err := newPlan(Options{Host: "127.0.0.1", Mailboxes: 1})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{p.control: true, p.authority: true, p.outside.smtp: true, p.outside.imaps: true}
		for _, pp := range p.providers {
			seen[pp.smtp], seen[pp.submission], seen[pp.submissions], seen[pp.imaps] = true, true, true, true
		}
		for address := range seen {
			a, err := net.ResolveTCPAddr("tcp", address)
			if err != nil || a.Port < 10_000 || a.Port > 32_100 {
				t.Errorf("%s, %v", address, err)
			}
		}
		if len(seen) != 12 {
			t.Errorf("%d different ports, want 12", len(seen))
		}
	}
	if _, err := newPlan(Options{Host: "192.0.2.1", Mailboxes: 1}); err == nil || !strings.HasPrefix(err.Error(), "no free ports on 192.0.2.1: ") {
		t.Errorf("on an address of nobody: %v", err)
	}
}

// An address that is not this machine's is not blamed on who uses the port.
func TestForeignHost(t *testing.T) {
	o := options(t, newDir(t))
	o.Host, o.BasePort = "192.0.2.1", 20250
	refused(t, o.Host, o, "192.0.2.1 is no address of this machine", "--host")
}
