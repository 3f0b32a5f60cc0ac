package smtpd

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A dialogue is a file of lines:
//
//	server: relay | submission | clear   what Config is (clear: a relay without TLS); first line
//	C: text         the client sends text and CRLF
//	C> "text"       the client sends the octets of a Go string in one write
//	S: regexp       the server's next line matches, whole
//	TLS             the client's TLS handshake succeeds
//	END             the server has closed the connection
//	# text          a comment
//
// norms.md 1, 2
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".smtp"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			r := new(record)
			config, ok := map[string]Config{
				"server: relay": testConfig(r), "server: submission": submissionConfig(r), "server: clear": clearConfig(r),
			}[lines[0]]
			if !ok {
				t.Fatalf("first line is %q", lines[0])
			}
			d := dial(t, listen(t, config))
			for i, line := range lines[1:] {
				d.line(t, i+2, line)
			}
		})
	}
}

func clearConfig(r *record) Config {
	c := testConfig(r)
	c.TLS = nil
	return c
}

type dialogue struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, addr net.Addr) *dialogue {
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := &dialogue{}
	d.use(t, conn)
	return d
}

func (d *dialogue) use(t testing.TB, conn net.Conn) {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	d.conn, d.in = conn, bufio.NewReader(conn)
}

func (d *dialogue) send(t testing.TB, octets string) {
	if _, err := io.WriteString(d.conn, octets); err != nil {
		t.Fatal(err)
	}
}

func (d *dialogue) expect(t testing.TB, pattern string) {
	t.Helper()
	got, err := d.in.ReadString('\n')
	if err != nil {
		t.Fatalf("want %q, got %q, %v", pattern, got, err)
	}
	if !regexp.MustCompile("^(?:" + pattern + ")\r\n$").MatchString(got) {
		t.Fatalf("want %q, got %q", pattern, got)
	}
}

func (d *dialogue) startTLS(t testing.TB) {
	conn := tls.Client(d.conn, clientTLS())
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	d.use(t, conn)
}

// end wants no more than the end. A reset is one too: the server may close on octets that it has not read.
func (d *dialogue) end(t testing.TB) {
	t.Helper()
	if rest, err := io.ReadAll(d.in); len(rest) > 0 || os.IsTimeout(err) {
		t.Fatalf("want the end, got %q, %v", rest, err)
	}
}

func (d *dialogue) line(t *testing.T, number int, line string) {
	t.Helper()
	kind, text, _ := strings.Cut(line, " ")
	defer func() {
		if t.Failed() {
			t.Logf("at line %d: %s", number, line)
		}
	}()
	switch kind {
	case "C:":
		d.send(t, text+"\r\n")
	case "C>":
		octets, err := strconv.Unquote(text)
		if err != nil {
			t.Fatal(err)
		}
		d.send(t, octets)
	case "S:":
		d.expect(t, text)
	case "TLS":
		d.startTLS(t)
	case "END":
		d.end(t)
	case "#", "":
	default:
		t.Fatal("line has no meaning")
	}
}
