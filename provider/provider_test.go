package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/store"
)

// refused is the error of an Open that must fail.
func refused(t *testing.T, path string, offset time.Duration) error {
	t.Helper()
	p, err := Open(t.Context(), load(t, path), options(NewClock(offset)))
	if err == nil {
		p.Close()
		t.Fatal("it opens")
	}
	return err
}

func says(t *testing.T, err error, want string) {
	t.Helper()
	if !strings.Contains(err.Error(), want) {
		t.Errorf("it says %v, want %q", err, want)
	}
}

// freePort is an address that nobody listens on, and that the system gives to nobody who asks for any.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// A port that is taken is named with its line. What was bound before it, and the data, are given back.
func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	smtp, imaps := freePort(t), taken.Addr().String()
	path := place(t, minimal(t, `smtp = "127.0.0.1:0"`, fmt.Sprintf("smtp = %q", smtp), `imaps = "127.0.0.1:0"`, fmt.Sprintf("imaps = %q", imaps)))
	err = refused(t, path, 0)
	says(t, err, path+":17: listen.imaps: the port cannot be opened: listen tcp "+imaps)
	says(t, err, "Stop what uses it, or choose another one")
	taken.Close()
	p := open(t, path, 0)
	if got := p.servers[0].listener.Addr().String(); got != smtp {
		t.Errorf("SMTP is on %s, want %s", got, smtp)
	}
}

// A start that fails at its last step can be tried again in the same process.
func TestOpenHoldsNothingAfterAnError(t *testing.T) {
	path := place(t, minimal(t))
	socket := filepath.Join(filepath.Dir(path), "data", controlName)
	open(t, path, 0).stop()
	if err := errors.Join(os.Remove(socket), os.MkdirAll(filepath.Join(socket, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		says(t, refused(t, path, 0), "removing the old control socket")
	}
	if err := os.RemoveAll(socket); err != nil {
		t.Fatal(err)
	}
	open(t, path, 0)
}

func TestOneOwner(t *testing.T) {
	path := place(t, minimal(t))
	p := open(t, path, 0)
	if err := refused(t, path, 0); !errors.Is(err, store.ErrLocked) {
		t.Errorf("it says %v", err)
	}
	p.stop()
	open(t, path, 0)
}

// attacks.md 32: an instant before one that was certified is never issued (design.md 9).
func TestClockBehindTheData(t *testing.T) {
	path := place(t, minimal(t))
	ahead := open(t, path, 24*time.Hour)
	hold(t, ahead.Store, heldEml)
	ahead.stop()
	for _, offset := range []time.Duration{0, 24*time.Hour - time.Minute} {
		err := refused(t, path, offset)
		says(t, err, "the newest fact in "+ahead.Store.Where()+" is of ")
		says(t, err, "set the clock, or name the sandbox's clock_file")
	}
	open(t, path, 24*time.Hour)
}

// A service mailbox is there from the first start, and stays what it was at the next.
func TestServiceMailbox(t *testing.T) {
	path := place(t, minimal(t))
	p := open(t, path, 0)
	first, err := p.Store.Mailbox(t.Context(), "ricevute@pec.example")
	if err != nil || !first.Service {
		t.Fatalf("%+v, %v", first, err)
	}
	p.stop()
	again, err := open(t, path, 0).Store.Mailbox(t.Context(), "ricevute@pec.example")
	if err != nil || again.ID != first.ID {
		t.Errorf("%+v, want %+v (%v)", again, first, err)
	}
}

// A service without an address is not offered, the others run without it.
func TestServicesThatAreOffered(t *testing.T) {
	p := run(t, place(t, minimal(t)))
	for i, s := range p.config.Listen.services() {
		if offered := p.servers[i].listener != nil; offered != (s.address != "") {
			t.Errorf("%s is offered: %t", s.name, offered)
		}
	}
	conn, err := net.Dial("tcp", p.servers[0].listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	greeting := make([]byte, 19)
	if n, err := conn.Read(greeting); !strings.HasPrefix(string(greeting[:n]), "220 mx.pec.example") {
		t.Errorf("it greets with %q, %v", greeting[:n], err)
	}
}

// The directory is fetched, and its last good copy is in force at the next start, when the authority is away.
func TestDirectoryIsKept(t *testing.T) {
	const nowhere = "https://127.0.0.1:1/igpec.ldif.p7m"
	url := authorityURL(t)
	path := place(t, minimal(t, nowhere, url)+"\n[revocation]\npolicy = \"off\"\n")
	p := open(t, path, 0)
	if _, listed := p.Directory().Domain("pec.example"); listed {
		t.Error("a directory is in force before any was fetched")
	}
	if err := p.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.stop()
	write(t, path, replaced(t, read(t, path), url, nowhere))
	p = open(t, path, 0)
	if _, listed := p.Directory().Domain("pec.example"); !listed {
		t.Error("the copy is not in force")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Renew(ctx); err == nil {
		t.Error("it is fetched from nowhere")
	}
}

func TestRoutes(t *testing.T) {
	const peer = "\n[[relay.routes]]\ndomain = \"Peer.Example\"\naddress = \"127.0.0.1:2525\"\ntls_name = \"mx.peer.example\"\n"
	const others = "\n[[relay.routes]]\ndomain = \"*\"\naddress = \"127.0.0.1:2526\"\ntls_name = \"mx.outside.example\"\n"
	p := open(t, place(t, minimal(t)+peer+others), 0)
	find := p.routes(&material{})
	for _, c := range []struct {
		domain    string
		certified bool
		address   string
		tls       string
		refusal   string
	}{
		{"peer.example", true, "127.0.0.1:2525", "mx.peer.example", ""},
		{"PEER.example", false, "127.0.0.1:2525", "mx.peer.example", ""},
		{"outside.example", false, "127.0.0.1:2526", "mx.outside.example", ""},
		{"other.example", true, "", "", "there is no route to the provider of other.example"},
		{"pec.example", true, "", "", "pec.example is ours and never goes to the network"},
		{"PEC.Example", false, "", "", "PEC.Example is ours and never goes to the network"},
	} {
		r, err := find(t.Context(), c.domain, c.certified)
		if fmt.Sprint(err) != cmp.Or(c.refusal, "<nil>") || r.Address != c.address || r.TLSName != c.tls {
			t.Errorf("%s: %+v, %v", c.domain, r, err)
		}
		if err == nil && r.Opportunistic == c.certified {
			t.Errorf("%s: TLS is opportunistic: %t", c.domain, r.Opportunistic)
		}
	}
}
