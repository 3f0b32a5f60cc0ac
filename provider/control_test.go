package provider

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/store"
)

const (
	mario   = "Mario.Rossi@pec.example"
	heldEml = "From: ignoto@altro.example\r\nX-Trasporto: posta-certificata\r\n\r\nCiao\r\n"
)

// Subcommands do the same through the running provider and, when none runs, on the files (design.md 4, one owner).
func TestControl(t *testing.T) {
	url := authorityURL(t)
	for _, running := range []bool{true, false} {
		t.Run(map[bool]string{true: "running", false: "on the files"}[running], func(t *testing.T) {
			path := place(t, minimal(t, "https://127.0.0.1:1/igpec.ldif.p7m", url, `["pec.example"]`, `["pec.example", "comune.example"]`))
			p := run(t, path)
			if err := p.keeper.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			hold(t, p.Store, heldEml)
			if !running {
				p.stop()
			}
			a := connect(t, path)
			mailboxes(t, a)
			domains(t, a)
			heldMessages(t, a)
			_, err := Open(t.Context(), p.config, options(p.clock))
			if !errors.Is(err, store.ErrLocked) {
				t.Errorf("a second owner gets %v", err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			p.stop()
			passwords(t, path)
		})
	}
}

func connect(t testing.TB, path string) *Admin {
	t.Helper()
	a, err := Connect(t.Context(), load(t, path), NewClock(0), options(nil).Log)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mailboxes(t *testing.T, a *Admin) {
	t.Helper()
	ctx := t.Context()
	list := func(want ...string) {
		t.Helper()
		ms, err := a.Mailboxes(ctx)
		var got []string
		for _, m := range ms {
			state := map[bool]string{true: " enabled", false: " disabled"}[m.Enabled]
			got = append(got, m.Address+map[bool]string{true: " service", false: ""}[m.Service]+state)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("mailboxes %q (%v), want %q", got, err, want)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	service := "ricevute@pec.example service enabled"
	list(service)
	do(a.AddMailbox(ctx, mario, "prima parola"))
	list(mario+" enabled", service)
	refusals(t, a)
	do(a.Disable(ctx, strings.ToLower(mario)))
	list(mario+" disabled", service)
	do(a.Enable(ctx, mario))
	list(mario+" enabled", service)
	do(a.SetPassword(ctx, mario, "seconda parola"))
	do(a.SetPassword(ctx, "ricevute@pec.example", "terza parola"))
}

// refusals: each says what is wrong, and nothing is added.
func refusals(t *testing.T, a *Admin) {
	ctx := t.Context()
	const long, password = "abcdefgh", "una parola"
	reserved := " is reserved for the provider: choose another address"
	length := "a password has between 8 and 1000 octets"
	for _, c := range []struct {
		err  error
		want string
	}{
		{a.AddMailbox(ctx, signing, password), signing + reserved},
		{a.AddMailbox(ctx, "Posta-Certificata@comune.example", password), "Posta-Certificata@comune.example" + reserved},
		{a.AddMailbox(ctx, `"ricevute"@pec.example`, password), `"ricevute"@pec.example` + reserved},
		{a.AddMailbox(ctx, "POSTMASTER@pec.example", password), "POSTMASTER@pec.example" + reserved},
		{a.AddMailbox(ctx, "abuse@comune.example", password), "abuse@comune.example" + reserved},
		{a.AddMailbox(ctx, "mario@altro.example", password), "altro.example is no domain of this provider: add it to a unit's domains first"},
		{a.AddMailbox(ctx, "mario", password), `address "mario" has no @`},
		{a.AddMailbox(ctx, "a b@pec.example", password), `address "a b@pec.example": the local part is neither a dot-atom nor a quoted string`},
		{a.AddMailbox(ctx, strings.ToUpper(mario), password), strings.ToUpper(mario) + " is there already"},
		{a.AddMailbox(ctx, "anna@pec.example", long[:7]), length},
		{a.AddMailbox(ctx, "anna@pec.example", strings.Repeat("a", 1001)), length},
		{a.AddMailbox(ctx, "anna@pec.example", ""), "a holder's mailbox has a password: give one"},
		{a.SetPassword(ctx, mario, long[:7]), length},
		{a.SetPassword(ctx, mario, ""), length},
		{a.SetPassword(ctx, "anna@pec.example", password), "mailbox anna@pec.example is not there"},
		{a.Disable(ctx, "anna@pec.example"), "mailbox anna@pec.example is not there"},
		{a.Enable(ctx, "mario@altro.example"), "mailbox mario@altro.example is not there"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("it says %v, want %s", c.err, c.want)
		}
	}
}

// domains: only what the directory in force lists takes mail.
func domains(t *testing.T, a *Admin) {
	t.Helper()
	ds, err := a.Domains(t.Context())
	want := []DomainInfo{{"pec.example", signing, true}, {"comune.example", signing, false}}
	if err != nil || !slices.Equal(ds, want) {
		t.Errorf("domains %v (%v), want %v", ds, err, want)
	}
}

func heldMessages(t *testing.T, a *Admin) {
	t.Helper()
	hs, err := a.Held(t.Context())
	if err != nil || len(hs) != 1 {
		t.Fatalf("held: %v, %v", hs, err)
	}
	h := hs[0]
	if h.Sender != "ignoto@altro.example" || !slices.Equal(h.Recipients, []string{"mario@pec.example", "anna@pec.example"}) ||
		h.Reason != "la firma non è valida" || h.Peer != "192.0.2.1" || h.Size != int64(len(heldEml)) || h.At.IsZero() {
		t.Errorf("held: %+v", h)
	}
	show := func(id string) (string, error) {
		var b bytes.Buffer
		err := a.HeldMessage(t.Context(), id, &b)
		return b.String(), err
	}
	if got, err := show(h.ID); err != nil || got != heldEml {
		t.Errorf("it shows %q (%v), want %q", got, err, heldEml)
	}
	none := store.NewID().String()
	for id, want := range map[string]string{
		none: "held message " + none + " is not there", "": `"" is no id: 32 hex digits are expected`, "../mailboxes": `"../mailboxes" is no id: 32 hex digits are expected`,
	} {
		if got, err := show(id); err == nil || err.Error() != want || got != "" {
			t.Errorf("%q shows %q, %v", id, got, err)
		}
	}
}

// passwords sees on the files that the last passwords open, and none before.
func passwords(t *testing.T, path string) {
	t.Helper()
	p := open(t, path, 0)
	for _, c := range []struct {
		address, password string
		opens             bool
	}{{mario, "prima parola", false}, {mario, "seconda parola", true}, {"ricevute@pec.example", "terza parola", true}, {"anna@pec.example", "una parola", false}} {
		if _, err := p.Store.Authenticate(t.Context(), c.address, c.password); (err == nil) != c.opens {
			t.Errorf("%q opens %s: %v", c.password, c.address, err)
		}
	}
}

// A request that no subcommand makes gets an answer all the same.
func TestControlOfStrangers(t *testing.T) {
	path := place(t, minimal(t))
	run(t, path)
	a := connect(t, path)
	defer a.Close()
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/mailbox/add", `{`, "unexpected EOF"},
		{"POST", "/mailbox/add", `{"address": 5}`, "cannot unmarshal number"},
		{"POST", "/mailbox/add", `{"address": "` + strings.Repeat("a", 1<<16), "too large"},
		{"GET", "/mailbox/add", ``, "Method Not Allowed"},
		{"GET", "/", ``, "404"},
	} {
		if _, err := a.do(t.Context(), c.method, c.path, strings.NewReader(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s %.20q: %v, want %q", c.method, c.path, c.body, err, c.want)
		}
	}
}

// A socket's address has 108 octets at most; a data directory may be deeper.
func TestControlInDeepDirectory(t *testing.T) {
	path := place(t, `data_dir = "`+strings.Repeat("lungo/", 20)+"data\"\n"+minimal(t))
	p := run(t, path)
	if n := len(p.Store.Dir()); n < 120 {
		t.Fatalf("the data directory's path has %d octets only", n)
	}
	a := connect(t, path)
	defer a.Close()
	if err := a.AddMailbox(t.Context(), mario, "una parola"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Store.Mailbox(t.Context(), mario); err != nil {
		t.Error(err)
	}
}

// Whoever may connect to the socket may change passwords.
func TestControlSocketIsTheOwnersOnly(t *testing.T) {
	p := open(t, place(t, minimal(t)), 0)
	st, err := os.Stat(filepath.Join(p.Store.Dir(), controlName))
	if err != nil || st.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// The socket of a process that is gone hinders neither subcommands nor the next start.
func TestControlSocketLeftBehind(t *testing.T) {
	path := place(t, minimal(t))
	first := open(t, path, 0)
	socket := filepath.Join(first.Store.Dir(), controlName)
	first.stop()
	if _, err := os.Stat(socket); err != nil {
		t.Fatal(err)
	}
	a := connect(t, path)
	if err := errors.Join(a.AddMailbox(t.Context(), mario, "una parola"), a.Close()); err != nil {
		t.Fatal(err)
	}
	run(t, path)
	a = connect(t, path)
	defer a.Close()
	if ms, err := a.Mailboxes(t.Context()); err != nil || len(ms) != 2 {
		t.Errorf("mailboxes %v, %v", ms, err)
	}
}

// A process that holds the data but has no socket, or none that is answered, is named; nothing is done behind its back.
func TestControlOfSilentOwner(t *testing.T) {
	path := place(t, minimal(t))
	p := open(t, path, 0)
	dir := p.Store.Dir()
	p.stop()
	lock, err := store.LockFile(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	want := dir + " is in use by a process that does not answer on control.sock: wait until it runs, or end it"
	for range 2 {
		if _, err := Connect(t.Context(), load(t, path), NewClock(0), options(nil).Log); err == nil || err.Error() != want {
			t.Errorf("it says %v, want %s", err, want)
		}
		// The second time without the socket that the first process left behind.
		os.Remove(filepath.Join(dir, controlName))
	}
}

// What is wrong with the configuration is told before the data are touched, to subcommands too.
func TestConnectChecksKeys(t *testing.T) {
	path := place(t, minimal(t, `key_file = "signing.key"`, `key_file = "other.key"`))
	var fault Fault
	if _, err := Connect(t.Context(), load(t, path), NewClock(0), options(nil).Log); !errors.As(err, &fault) || fault.Line != 12 {
		t.Errorf("it says %v", err)
	}
}
