package imapd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ceralacca/ceralacca/store"
)

// testLiteralsAreNotCommands: what the library refuses unread must not be executed (attacks.md 8, 27).
func testLiteralsAreNotCommands(t *testing.T, h *house) {
	evil := "x\r\nz CREATE rubata\r\n" + strings.Repeat("y", 5000)
	cases := []string{
		"a APPEND INBOX {5020+}\r\n" + evil,
		"a SELECT {5020+}\r\n" + evil,
		"a APPEND INBOX {99999999999}\r\nz CREATE rubata\r\n",
		"a SELECT {5}\r\nINBOX\r\nz CREATE rubata\r\n", // not asked for
		"a APPEND INBOX ~{5020+}\r\n" + evil,
	}
	for _, text := range cases {
		c := h.login(t)
		c.send(text)
		if got, err := io.ReadAll(c.r); err != nil || !strings.Contains(string(got), "BYE [TOOBIG]") {
			t.Errorf("%.40q: %q, %v", text, got, err)
		}
	}
	c := h.login(t)
	c.ok("SELECT {5+}\r\nINBOX")
	c.want("APPEND INBOX {30000000}", "NO [TOOBIG]")
	c.ok("NOOP")
	if got := c.ok(`LIST "" *`); len(got) != 4 {
		t.Errorf("a literal was executed: %q", got)
	}
}

func testLiteralsTogetherAreBounded(t *testing.T, h *house) { // attacks.md 27
	c := h.dial(t)
	piece := "{4096+}\r\n" + strings.Repeat("x", 4096) + " "
	c.send(`a LIST "" (`)
	for range 17 {
		if _, err := io.WriteString(c.conn, piece); err != nil {
			break
		}
	}
	if got := c.line(); !strings.HasPrefix(got, "* BYE [TOOBIG]") {
		t.Errorf("%q", got)
	}
}

// TestLiteralFollower cuts a conversation anywhere: it must not matter.
func TestLiteralFollower(t *testing.T) {
	t.Parallel()
	text := "a LOGIN {1+}\r\nx {2+}\r\n\r\n\r\nb NOOP\r\nc APPEND x {4096+}\r\n" + strings.Repeat("{9999+}\r\n", 455) + "{\r\n\r\nd X\r\n"
	for size := 1; size < 40; size++ {
		l := &literals{}
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if !l.read([]byte(rest[:n])) {
				t.Fatalf("refused in pieces of %d, %d octets before the end", size, len(rest))
			}
			rest = rest[n:]
		}
		if l.rest != 0 || l.announced != 0 || l.total != 0 || len(l.line) != 0 {
			t.Errorf("pieces of %d: %+v", size, l)
		}
	}
	cases := []struct {
		line        string
		size        int64
		waits, have bool
	}{
		{"a {5}\r\n", 5, true, true}, {"a ~{0+}\n", 0, false, true}, {"a {5+} \r\n", 0, false, false}, {"{-1}\r\n", 0, false, false},
		{"}\r\n", 0, false, false}, {"{}\r\n", 0, false, false}, {"{99999999999999999999}\r\n", 0, false, false}, {"{5}", 5, true, true},
	}
	for _, c := range cases {
		size, waits, found := announcement([]byte(c.line))
		if found != c.have || found && (size != c.size || waits != c.waits) {
			t.Errorf("%q: %d %v %v", c.line, size, waits, found)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) { // attacks.md 39
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.MaxPerHost = 2 })
	first := h.dial(t)
	h.dial(t)
	if _, err := tls.Dial("tcp", h.address, clientTLS()); err == nil {
		t.Error("a third connection was served")
	}
	first.leave()
	if !strings.Contains(h.log.String(), "too many connections") {
		t.Error("it is not in the log")
	}
}

func TestSessionsOfOneMailboxAreBounded(t *testing.T) { // attacks.md 27, 39
	t.Parallel()
	h := newHouse(t)
	first := h.login(t)
	for range maxPerMailbox - 1 {
		h.login(t)
	}
	c := h.dial(t)
	c.want("LOGIN "+testUser+" "+testPassword, "NO [LIMIT]")
	first.leave()
	c.ok("LOGIN " + testUser + " " + testPassword)
}

func testOnlyIMAPOverTLS(t *testing.T, h *house) { // norms.md 93, attacks.md 8
	conn, err := net.Dial("tcp", h.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "a LOGIN x y\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err == nil && bytes.Contains(got, []byte("OK")) {
		t.Errorf("in clear: %q", got)
	}
	config := clientTLS()
	config.NextProtos = []string{"http/1.1"}
	if _, err := tls.Dial("tcp", h.address, config); err == nil {
		t.Error("a browser was served")
	}
	config.NextProtos = []string{"imap"}
	if conn, err := tls.Dial("tcp", h.address, config); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
}

// TestDamageFailsAlone: a message whose octets are bad is passed over, its content is named in the log, the others are served.
func TestDamageFailsAlone(t *testing.T) {
	t.Parallel()
	h := newEmbeddedHouse(t)
	h.put(t, "INBOX", small)
	h.put(t, "INBOX", "Subject: da rovinare\r\n\r\nx\r\n")
	h.put(t, "INBOX", small)
	segments, err := filepath.Glob(filepath.Join(h.dir, "segments", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range segments {
		octets, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		ruined := bytes.ReplaceAll(octets, []byte("da rovinare"), []byte("DA ROVINARE"))
		if err := os.WriteFile(name, ruined, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := h.login(t, "INBOX")
	got, tagged := c.do("FETCH 1:3 (BODY.PEEK[TEXT])")
	if len(got) != 2 || !strings.HasPrefix(got[0], "* 1 ") || !strings.HasPrefix(got[1], "* 3 ") || !strings.HasPrefix(tagged, "NO [CORRUPTION]") {
		t.Errorf("%q %q", got, tagged)
	}
	if strings.Contains(tagged, "content") || !strings.Contains(h.log.String(), "content=") {
		t.Errorf("%q and in the log %s", tagged, h.log)
	}
	c.wantLines("FETCH 1:3 FLAGS", "* 1 FETCH (FLAGS ())", "* 2 FETCH (FLAGS ())", "* 3 FETCH (FLAGS ())")
	c.wantLines("SEARCH BODY c", "* SEARCH 1 3")
}

func TestTruncatedMessageIsNotServed(t *testing.T) {
	t.Parallel()
	h := newEmbeddedHouse(t)
	h.put(t, "INBOX", samples()["long"])
	files, err := filepath.Glob(filepath.Join(h.dir, "contents", "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Truncate(files[0], 200_000); err != nil {
		t.Fatal(err)
	}
	c := h.login(t, "INBOX")
	c.want("FETCH 1 BODY.PEEK[]", "NO [CORRUPTION]")
	c.ok("NOOP")
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// TestUnreadableIsNotBroken: octets that cannot be read are told from a client that takes none.
func TestUnreadableIsNotBroken(t *testing.T) {
	t.Parallel()
	_, gone := io.Pipe()
	gone.CloseWithError(io.ErrClosedPipe)
	failing := piece{iotest.ErrReader(os.ErrInvalid), 9}
	if err := stream(discard{io.Discard}, failing); !errors.Is(err, errUnreadable) {
		t.Error(err)
	}
	if err := stream(discard{gone}, octets([]byte("x"))); err == nil || errors.Is(err, errUnreadable) {
		t.Error(err)
	}
	for err, fatal := range map[error]bool{
		nil: false, errUnreadable: false, &store.DamageError{}: false, errCut: true, errors.Join(errCut, errUnreadable): true, io.EOF: true,
	} {
		if isFatal(err) != fatal {
			t.Errorf("%v: fatal is not %v", err, fatal)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := Config{Store: &store.Store{}, TLS: &tls.Config{Certificates: []tls.Certificate{testCertificate()}}, MaxAppend: 1}
	if server, err := New(good); err != nil {
		t.Error(err)
	} else if server.delay != time.Second { // attacks.md 9
		t.Errorf("a failed log-in takes %s", server.delay)
	}
	for name, spoil := range map[string]func(*Config){
		"a store":     func(c *Config) { c.Store = nil },
		"certificate": func(c *Config) { c.TLS = &tls.Config{} },
		"MaxAppend":   func(c *Config) { c.MaxAppend = 1 << 32 },
		"negative":    func(c *Config) { c.MaxPerHost = -1 },
	} {
		config := good
		spoil(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
