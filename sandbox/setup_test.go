package sandbox

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ceralacca/ceralacca/check"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/provider"
	"github.com/ceralacca/ceralacca/store"
)

func TestMain(m *testing.M) {
	code := postgrestest.Main(m)
	os.RemoveAll(filepath.Dir(prepared()))
	os.Exit(code)
}

// prepared is a complete sandbox's directory, made once: RSA keys cost time.
var prepared = sync.OnceValue(func() string {
	parent, err := os.MkdirTemp("", "ceralacca-sandbox-test-")
	if err != nil {
		panic(err)
	}
	dir := filepath.Join(parent, "sandbox")
	s, err := Open(context.Background(), quiet(dir))
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		panic(err)
	}
	return dir
})

func quiet(dir string) Options {
	return Options{Dir: dir, Mailboxes: 3, Host: "127.0.0.1", Log: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }}
}

// options are those of a sandbox on free ports; a write whose outcome is unknown fails the test. On PostgreSQL a sandbox names its
// schemas by its directory.
func options(t testing.TB, dir string) Options {
	o := quiet(dir)
	o.Database = postgrestest.Database(t)
	o.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
	return o
}

// embedded are options of a sandbox whose data are in its directory, whatever engine the tests run on: for stories that do not depend on
// it and would each make three schemas.
func embedded(t testing.TB) Options {
	o := quiet(copied(t, false))
	o.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
	return o
}

// newDir is a copy of the prepared sandbox; on PostgreSQL without data. The 768 directories for large contents, which no test here
// has, stay those of the prepared one: to make and remove them would take longer than most tests.
func newDir(t testing.TB) string {
	t.Helper()
	return copied(t, postgrestest.Database(t) != "")
}

func copied(t testing.TB, withoutData bool) string {
	t.Helper()
	dir, from := filepath.Join(t.TempDir(), "sandbox"), prepared()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		to := filepath.Join(dir, strings.TrimPrefix(path, from))
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "data" && withoutData:
			if err := os.Mkdir(to, 0o700); err != nil {
				return err
			}
			return fs.SkipDir
		case entry.IsDir() && entry.Name() == "contents":
			if err := os.Symlink(path, to); err != nil {
				return err
			}
			return fs.SkipDir
		case entry.IsDir():
			return os.Mkdir(to, 0o700)
		case !entry.Type().IsRegular(): // the control sockets
			return nil
		}
		octets, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, octets, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// snapshot is every file below a directory, by its name there, with what it is and holds.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			all[name] = "directory"
			return err
		}
		all[name] = entry.Type().String()
		if !entry.Type().IsRegular() {
			return nil
		}
		octets, err := os.ReadFile(filepath.Join(dir, name))
		all[name] += fmt.Sprintf(" %x", sha256.Sum256(octets))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// occupied is a port on which somebody listens until the end of the test.
func occupied(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// running is a sandbox that runs until stop, or the end of the test.
type running struct {
	*Sandbox
	t    testing.TB
	stop func()
}

// start opens a sandbox and runs it until all of it answers.
func start(t testing.TB, o Options) *running {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
	r := &running{Sandbox: s, t: t}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("running: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	t.Cleanup(r.stop)
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("it ends before it is ready: %v", err)
	}
	return r
}

// letter is a plain message; another number makes it another message.
func letter(number, from string, to ...string) string {
	return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: Prova %s\r\nMessage-ID: <prova-%s@client.test>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n\r\nCiao\r\n",
		from, strings.Join(to, ", "), number, number)
}

// send submits a message at Alfa.
func (r *running) send(from string, to []string, message string) error {
	return r.sendAt(0, from, to, message)
}

func (r *running) sendAt(provider int, from string, to []string, message string) error {
	conn, err := tls.Dial("tcp", r.Contract().Providers[provider].Submissions, r.clientTLS("localhost"))
	if err != nil {
		return err
	}
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Auth(smtp.PlainAuth("", from, Password, "127.0.0.1")); err != nil {
		return err
	}
	return mail(c, from, message, to...)
}

// ask makes a request of the control page.
func (r *running) ask(method, path, body string, header http.Header) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.Contract().ControlURL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (r *running) post(path, body string) (int, string) {
	r.t.Helper()
	return r.ask(http.MethodPost, path, body, nil)
}

// settled moves the clock, and sees that all that was due has been tried.
func (r *running) settled(by string) {
	r.t.Helper()
	if code, text := r.post("/clock", `{"advance": "`+by+`"}`); code != http.StatusOK || strings.Contains(text, "unfinished") {
		r.t.Fatalf("%d %s", code, text)
	}
}

// kinds are the kinds of what an inbox holds.
func kinds(t testing.TB, st *store.Store, address string) []string {
	t.Helper()
	m, err := st.Mailbox(t.Context(), pec.Address(address))
	if err != nil {
		t.Fatal(err)
	}
	inbox, err := st.InboxID(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := st.Entries(t.Context(), inbox, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ks []string
	for _, e := range entries {
		ks = append(ks, e.Kind)
	}
	return ks
}

// wantSound asserts the invariants of design.md 3 over snapshots of both providers, as `ceralacca check` does.
func (r *running) wantSound() {
	r.t.Helper()
	for i, m := range r.running {
		if report := r.wantSoundAt(i); report.Messages == 0 {
			r.t.Errorf("%s has no message", m.plan.short)
		}
	}
}

// wantSoundAt is wantSound for one provider.
func (r *running) wantSoundAt(n int) *check.Report {
	r.t.Helper()
	m := r.running[n]
	c, err := provider.LoadConfig(r.path(m.plan.config))
	if err != nil {
		r.t.Fatal(err)
	}
	anchors, err := c.SigningRoots()
	if err != nil {
		r.t.Fatal(err)
	}
	o := c.StoreOptions(r.clock)
	o.ReadOnly, o.Log = true, r.o.Log
	snapshot, err := store.Open(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	report, err := check.Run(r.t.Context(), snapshot, check.Options{Anchors: anchors})
	if err := errors.Join(err, snapshot.Close()); err != nil || len(report.Violations) > 0 {
		r.t.Errorf("%s: %+v, %v", m.plan.short, report, err)
	}
	return report
}
