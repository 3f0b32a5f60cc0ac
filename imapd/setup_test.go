package imapd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/store"
)

const (
	testUser     = "anna@pec.alfa.test"
	testPassword = "segreta-lunga"
)

// testCertificate is one self-signed certificate for localhost, made once.
var testCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "imapd test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func clientTLS() *tls.Config {
	leaf, err := x509.ParseCertificate(testCertificate().Certificate[0])
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

func caFile(t testing.TB) string {
	name := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: testCertificate().Certificate[0]}
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// house is a store with Anna's mailbox, and a server of it that listens.
type house struct {
	store    *store.Store
	dir      string
	database string // "" for the embedded engine
	mailbox  store.Mailbox
	address  string
	log      *lockedBuffer
	stop     func() error // stops the server and gives what Serve returned
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func openStore(dir, database string, log *slog.Logger) (*store.Store, error) {
	return store.Open(context.Background(), store.Options{
		Dir: dir, Database: database, Now: time.Now, Jumped: func() <-chan struct{} { return nil }, Fatal: func(err error) { panic(err) }, Log: log,
	})
}

// furnished is an embedded store with Anna's mailbox, file by file. It is made once, because a password takes its time.
var furnished = sync.OnceValue(func() map[string][]byte {
	files, err := furnish()
	if err != nil {
		panic(err)
	}
	return files
})

func furnish() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "imapd")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := openStore(dir, "", slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	_, err = s.AddMailbox(context.Background(), testUser, false, testPassword)
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "store.db*"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// take empties the buffer.
func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.b.String()
	l.b.Reset()
	return text
}

func newHouse(t testing.TB, change ...func(*Config)) *house {
	t.Helper()
	return newHouseIn(t, postgrestest.Database(t), change...)
}

// newEmbeddedHouse is for tests that reach for the embedded engine's files.
func newEmbeddedHouse(t testing.TB) *house {
	t.Helper()
	return newHouseIn(t, "")
}

func newHouseIn(t testing.TB, database string, change ...func(*Config)) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), database: database, log: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	if database == "" {
		for name, octets := range furnished() {
			if err := os.WriteFile(filepath.Join(h.dir, name), octets, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	var err error
	if h.store, err = openStore(h.dir, database, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	h.mailbox, err = h.store.Mailbox(context.Background(), testUser)
	if errors.Is(err, store.ErrNotFound) {
		h.mailbox, err = h.store.AddMailbox(context.Background(), testUser, false, testPassword)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.serve(t, log, change...)
	return h
}

func (h *house) serve(t testing.TB, log *slog.Logger, change ...func(*Config)) {
	config := Config{
		Store: h.store, TLS: &tls.Config{Certificates: []tls.Certificate{testCertificate()}}, MaxAppend: 20 << 20, Log: log, Grace: 5 * time.Second,
		Logins: admission.NewLogins(admission.LoginsConfig{MaxDelay: time.Nanosecond}),
	}
	for _, f := range change {
		f(&config)
	}
	server, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	server.delay = 0
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	h.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Error("Serve:", err)
		}
		if strings.Contains(h.log.String(), "panic") {
			t.Error("the server panicked:\n" + h.log.String())
		}
	})
}

// put stores a message into a folder, as a client's APPEND does, and gives its UID.
func (h *house) put(t testing.TB, folder, text string, flags ...string) uint32 {
	t.Helper()
	ctx := context.Background()
	f, err := h.store.Folder(ctx, h.mailbox.ID, folder)
	if err != nil {
		t.Fatal(err)
	}
	spool, scanner := h.store.NewSpool(), pec.NewScanner(nil)
	if _, err := io.Copy(io.MultiWriter(spool, scanner), strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	content, err := spool.Seal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Release()
	uid, err := h.store.Append(ctx, h.mailbox.ID, f.ID, content, scanner.Finish(), flags, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func (h *house) folder(t testing.TB, name string) store.Folder {
	t.Helper()
	f, err := h.store.Folder(context.Background(), h.mailbox.ID, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// client speaks the protocol's text.
type client struct {
	t    testing.TB
	conn *tls.Conn
	r    *bufio.Reader
	tags int
}

func (h *house) dial(t testing.TB) *client {
	t.Helper()
	conn, err := tls.Dial("tcp", h.address, clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{t: t, conn: conn, r: bufio.NewReader(conn)}
	if greeting := c.line(); !strings.HasPrefix(greeting, "* OK ") {
		t.Fatalf("greeting %q", greeting)
	}
	return c
}

// login dials, logs in and opens folders, the last of which is selected.
func (h *house) login(t testing.TB, folder ...string) *client {
	t.Helper()
	c := h.dial(t)
	c.ok("LOGIN " + testUser + " " + testPassword)
	for _, f := range folder {
		c.ok("SELECT " + f)
	}
	return c
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("sending %.60q: %v", text, err)
	}
}

// line reads one line without its end; "" at the connection's end.
func (c *client) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil && err != io.EOF {
		c.t.Fatalf("after %q: %v", line, err)
	}
	return strings.TrimRight(line, "\r\n")
}

var literalEnd = regexp.MustCompile(`\{(\d+)\}$`)

// response reads a line with the literals in it.
func (c *client) response() string {
	c.t.Helper()
	line := c.line()
	for {
		found := literalEnd.FindStringSubmatch(line)
		if found == nil {
			return line
		}
		n, err := strconv.Atoi(found[1])
		if err != nil {
			c.t.Fatal(err)
		}
		literal := make([]byte, n)
		if _, err := io.ReadFull(c.r, literal); err != nil {
			c.t.Fatal(err)
		}
		line += "\r\n" + string(literal) + c.line()
	}
}

// do sends a command and gives its untagged responses and its tagged one, without the tag.
func (c *client) do(command string) (untagged []string, tagged string) {
	c.t.Helper()
	c.tags++
	tag := fmt.Sprintf("t%d", c.tags)
	c.send(tag + " " + command + "\r\n")
	return c.until(tag)
}

func (c *client) until(tag string) (untagged []string, tagged string) {
	c.t.Helper()
	for {
		response := c.response()
		if rest, ok := strings.CutPrefix(response, tag+" "); ok {
			return untagged, rest
		}
		if response == "" {
			return untagged, "" // the connection is over
		}
		untagged = append(untagged, response)
	}
}

// ok is do for a command that has to succeed.
func (c *client) ok(command string) []string {
	c.t.Helper()
	return c.want(command, "OK")
}

// leave logs out and waits until the server is done with the connection.
func (c *client) leave() {
	c.t.Helper()
	_, _ = io.WriteString(c.conn, "bye LOGOUT\r\n") // it may have hung up already
	_, _ = io.Copy(io.Discard, c.r)
}

// want is do for a command whose tagged answer has to begin so.
func (c *client) want(command, answer string) []string {
	c.t.Helper()
	untagged, tagged := c.do(command)
	if !strings.HasPrefix(tagged, answer) {
		c.t.Fatalf("%.200s\n answered %q %q\n want %q", command, untagged, tagged, answer)
	}
	return untagged
}

// wantLines is ok for a command whose untagged answers are known.
func (c *client) wantLines(command string, lines ...string) {
	c.t.Helper()
	if got := c.ok(command); strings.Join(got, "\n") != strings.Join(lines, "\n") {
		c.t.Errorf("%.200s\n got  %q\n want %q", command, got, lines)
	}
}

// literalOf is the text of the one literal in a response.
func literalOf(t testing.TB, responses []string) string {
	t.Helper()
	for _, r := range responses {
		head, rest, found := strings.Cut(r, "}\r\n")
		if !found {
			continue
		}
		n, err := strconv.Atoi(head[strings.LastIndexByte(head, '{')+1:])
		if err != nil {
			t.Fatal(err)
		}
		return rest[:n]
	}
	t.Fatalf("no literal in %q", responses)
	return ""
}
