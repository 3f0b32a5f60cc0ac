package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Admin is how subcommands change a provider: through the process that owns the data if one is running, on the files if
// none is.
type Admin struct {
	client http.Client
	close  func() error
}

// Connect reaches the owner of the configuration's data directory, or becomes it.
func Connect(ctx context.Context, c *Config, clock *Clock, log *slog.Logger) (*Admin, error) {
	dir := c.Path(c.DataDir)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := controlPath(dir)
		if err != nil {
			return nil, err
		}
		defer done()
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	if conn, err := dial(ctx, "", ""); err == nil {
		conn.Close()
		transport := &http.Transport{DialContext: dial}
		return &Admin{client: http.Client{Transport: transport}, close: func() error { transport.CloseIdleConnections(); return nil }}, nil
	}
	a, st, err := openAdmin(ctx, c, clock, log)
	if errors.Is(err, store.ErrLocked) {
		return nil, fmt.Errorf("%s is in use by a process that does not answer on %s: wait until it runs, or end it", dir, controlName)
	}
	if err != nil {
		return nil, err
	}
	t := &inProcess{handler: a.handler()}
	return &Admin{client: http.Client{Transport: t}, close: func() error {
		t.running.Wait()
		return st.Close()
	}}, nil
}

// openAdmin becomes the owner for the time of a subcommand.
func openAdmin(ctx context.Context, c *Config, clock *Clock, log *slog.Logger) (*admin, *store.Store, error) {
	m, err := c.load(clock.Now())
	if err != nil {
		return nil, nil, err
	}
	fatal := func(err error) {
		log.Error("the data cannot be written", "error", err)
		os.Exit(3)
	}
	o := c.StoreOptions(clock)
	o.Fatal, o.Log = fatal, log
	st, err := store.Open(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	return &admin{store: st, units: m.units, directory: func() *directory.Directory { return lastDirectory(st.Dir(), m) }}, st, nil
}

// lastDirectory is the last good copy of the providers' directory, or an empty one.
func lastDirectory(dir string, m *material) *directory.Directory {
	octets, err := os.ReadFile(filepath.Join(dir, directoryCopy))
	if err == nil {
		if d, err := directory.Open(octets, m.directorySigner); err == nil {
			return d
		}
	}
	return &directory.Directory{}
}

// Close ends the connection, or the ownership.
func (a *Admin) Close() error { return a.close() }

// AddMailbox adds a holder's mailbox.
func (a *Admin) AddMailbox(ctx context.Context, address, password string) error {
	return a.post(ctx, "/mailbox/add", mailboxRequest{Address: address, Password: password})
}

// SetPassword replaces a mailbox's password.
func (a *Admin) SetPassword(ctx context.Context, address, password string) error {
	return a.post(ctx, "/mailbox/password", mailboxRequest{Address: address, Password: password})
}

// Disable closes a mailbox: it takes no mail and nobody may log in; what it holds stays.
func (a *Admin) Disable(ctx context.Context, address string) error {
	return a.post(ctx, "/mailbox/disable", mailboxRequest{Address: address})
}

// Enable opens a mailbox again.
func (a *Admin) Enable(ctx context.Context, address string) error {
	return a.post(ctx, "/mailbox/enable", mailboxRequest{Address: address})
}

// Suspend suspends a mailbox: it takes no certified mail and sends none; its holder may read it.
func (a *Admin) Suspend(ctx context.Context, address string) error {
	return a.post(ctx, "/mailbox/suspend", mailboxRequest{Address: address})
}

// Resume ends that.
func (a *Admin) Resume(ctx context.Context, address string) error {
	return a.post(ctx, "/mailbox/resume", mailboxRequest{Address: address})
}

// SetQuota bounds what envelopes may fill, in octets; 0 is without limit.
func (a *Admin) SetQuota(ctx context.Context, address string, octets int64) error {
	return a.post(ctx, "/mailbox/quota", mailboxRequest{Address: address, Quota: octets})
}

// SetOrdinary says what becomes of ordinary mail for a mailbox: store.Ordinary.
func (a *Admin) SetOrdinary(ctx context.Context, address string, policy store.Ordinary) error {
	return a.post(ctx, "/mailbox/ordinary", mailboxRequest{Address: address, Ordinary: string(policy)})
}

// Mailboxes lists the mailboxes.
func (a *Admin) Mailboxes(ctx context.Context) (ms []MailboxInfo, err error) {
	return ms, a.get(ctx, "/mailboxes", &ms)
}

// Domains lists the domains.
func (a *Admin) Domains(ctx context.Context) (ds []DomainInfo, err error) {
	return ds, a.get(ctx, "/domains", &ds)
}

// Events tells how often each kind of event was recorded.
func (a *Admin) Events(ctx context.Context) (counts map[pec.EventKind]int64, err error) {
	return counts, a.get(ctx, "/events", &counts)
}

// Held lists what is held.
func (a *Admin) Held(ctx context.Context) (hs []HeldInfo, err error) {
	return hs, a.get(ctx, "/held", &hs)
}

// HeldMessage writes the octets of a held message.
func (a *Admin) HeldMessage(ctx context.Context, id string, w io.Writer) error {
	if _, err := store.ParseID(id); err != nil {
		return err
	}
	body, err := a.do(ctx, http.MethodGet, "/held/"+id, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, body)
	return errors.Join(err, body.Close())
}

func (a *Admin) post(ctx context.Context, path string, v any) error {
	octets, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body, err := a.do(ctx, http.MethodPost, path, bytes.NewReader(octets))
	if err != nil {
		return err
	}
	return body.Close()
}

func (a *Admin) get(ctx context.Context, path string, v any) error {
	body, err := a.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return errors.Join(json.NewDecoder(body).Decode(v), body.Close())
}

func (a *Admin) do(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://control"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the running provider: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return nil, errors.Join(errors.New(strings.TrimSpace(string(text))), err, resp.Body.Close())
}

// inProcess answers requests by a handler of this process. What the handler writes goes through a pipe: a held message is
// never in memory whole.
type inProcess struct {
	handler http.Handler
	running sync.WaitGroup
}

// RoundTrip implements http.RoundTripper.
func (t *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, to := io.Pipe()
	w := &responder{header: http.Header{}, status: http.StatusOK, body: to, began: make(chan struct{})}
	t.running.Go(func() {
		t.handler.ServeHTTP(w, r)
		w.begin()
		to.Close()
	})
	<-w.began
	return &http.Response{StatusCode: w.status, Header: w.header, Body: body, Request: r}, nil
}

// responder is the http.ResponseWriter of inProcess.
type responder struct {
	header http.Header
	status int
	body   *io.PipeWriter
	once   sync.Once
	began  chan struct{}
}

func (r *responder) begin() { r.once.Do(func() { close(r.began) }) }

// Header implements http.ResponseWriter.
func (r *responder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *responder) WriteHeader(status int) {
	r.status = status
	r.begin()
}

// Write implements http.ResponseWriter.
func (r *responder) Write(p []byte) (int, error) {
	r.begin()
	return r.body.Write(p)
}

// newSeeker reads a stored message from any place.
func newSeeker(o *store.Octets) io.ReadSeeker { return io.NewSectionReader(o, 0, o.Size()) }
