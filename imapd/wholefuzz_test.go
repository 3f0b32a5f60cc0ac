package imapd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/store"
)

// situation is a point of the dialogue that foreign octets are fed into, and the commands that lead there from the greeting.
type situation struct {
	name  string
	steps []string
}

func situations() []situation {
	const logIn = "l LOGIN " + testUser + " " + testPassword + "\r\n"
	const open = "s SELECT INBOX\r\n"
	return []situation{
		{"greeting", nil},
		{"response of AUTHENTICATE", []string{"a AUTHENTICATE PLAIN\r\n"}},
		{"literal of LOGIN", []string{"a LOGIN {18}\r\n"}},
		{"logged in", []string{logIn}},
		{"selected", []string{logIn, open}},
		{"examined", []string{logIn, "s EXAMINE INBOX\r\n"}},
		{"literal of SEARCH", []string{logIn, open, "a SEARCH SUBJECT {8}\r\n"}},
		{"literal of APPEND", []string{logIn, open, "a APPEND INBOX (\\Seen) {40}\r\n"}},
		{"IDLE", []string{logIn, open, "i IDLE\r\n"}},
		{"extensions enabled", []string{logIn, "e ENABLE UTF8=ACCEPT IMAP4rev2\r\n", open}},
		{"search saved", []string{logIn, open, "r SEARCH RETURN (SAVE) ALL\r\n"}},
	}
}

// FuzzServer feeds three pieces of anything to a whole server, in each situation; each piece is sent when the one before has been
// read. Whatever they are: Serve ends, nothing panics, every response has a known form and an answer has a tag that was sent; without
// a log-in nothing is told and nothing changes, without a selected folder no message is told of, a folder open for reading loses
// nothing; and memory is in proportion to what was said (attacks.md 8, 9, 27).
func FuzzServer(f *testing.F) {
	h := newHouse(f)
	for state := range situations() {
		for _, pieces := range [][3]string{
			{"a LOGIN " + testUser + " {13}\r\n", testPassword, "\r\nb SELECT INBOX\r\nc FETCH 1:* FLAGS\r\n"},
			{"a AUTHENTICATE PLAIN\r\n", "AGFubmFAcGVjLmFsZmEudGVzdABzZWdyZXRhLWx1bmdh\r\n", "b LIST \"\" *\r\n"},
			{testUser, " " + testPassword + "\r\n", "b STATUS INBOX (MESSAGES UIDNEXT)\r\n"},
			{"a FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY[1.1.MIME] BINARY[1]<0.9> BODY.PEEK[HEADER.FIELDS (To)]<1.2>)\r\n", "", ""},
			{"a SEARCH OR NOT SUBJECT x (TEXT {1}\r\n", "y", " LARGER 1)\r\nb UID STORE $ -FLAGS.SILENT (\\Seen k)\r\nc EXPUNGE\r\n"},
			{"a APPEND INBOX (\\Seen) {7}\r\n", "a: b\r\n\r", "\n\r\nb UID SEARCH RETURN (MIN COUNT) 1:* SINCE 1-Jan-2026\r\n"},
			{"DONE\r\n", "b IDLE\r\n", "DONE\r\nc CREATE x/&AOA-\r\nd RENAME x y\r\ne DELETE y\r\n"},
			{"*\r\n", "a STARTTLS\r\nb CAPABILITY\r\n", "EHLO x\r\nGET / HTTP/1.1\r\n\r\n"},
			{"a UID FETCH *:4294967295 BODY[4294967295.0]\r\n", "b COPY 1 INBOX\r\nc UID MOVE 2:* Cestino\r\n", "d CLOSE\r\ne UNSELECT\r\nf LOGOUT\r\n"},
			{"a LOGIN {9999+}\r\nx", "a SELECT {5000}\r\n", "* OK\r\n+ x\r\na LSUB \"\" %\r\nb NAMESPACE\r\n"},
			{"a STORE 1:* +FLAGS.SILENT (\\Deleted)\r\n", "b EXPUNGE\r\nc CLOSE\r\n", ""},
			{"a LOGIN " + testUser + " sbagliata\r\n", "b SELECT INBOX\r\n", "c LIST \"\" %\r\n"},
			{"Subject: x\r\nContent-Type: multipart/mixed; boundary=", "b\r\n\r\n--b\r\n\r\n--b--\r\n", "z FETCH * (BODY[] BINARY.SIZE[1])\r\n"},
		} {
			f.Add(uint8(state), pieces[0], pieces[1], pieces[2])
		}
	}
	all := situations()
	var held []uint32
	f.Fuzz(func(t *testing.T, state uint8, first, second, third string) {
		s := all[int(state)%len(all)]
		held = h.furnish(t, held)
		folders := h.folders(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d := h.converse(t, s, []string{first, second, third})
		runtime.ReadMemStats(&after)
		if took, said := after.TotalAlloc-before.TotalAlloc, len(d.sent)+len(d.heard); took > 32<<20+uint64(64*said) {
			t.Errorf("%d octets of memory for %d of dialogue", took, said)
		}
		d.check(t)
		changed := h.folders(t)
		if !d.loggedIn() && !slices.Equal(folders, changed) {
			t.Fatalf("a stranger changed %q to %q", folders, changed)
		}
		d.checkReadOnly(t, s, folders, changed)
	})
}

// folders is the state of all folders.
func (h *house) folders(t *testing.T) (all []string) {
	fs, err := h.store.Folders(t.Context(), h.mailbox.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fs {
		all = append(all, fmt.Sprint(f.Name, f.ModSeq, f.UIDNext, f.Messages, f.Subscribed))
	}
	return all
}

// furnish makes the mailbox what it is for every input, flags apart. held are the UIDs of INBOX before; it gives those that are now.
func (h *house) furnish(t *testing.T, held []uint32) []uint32 {
	ctx := t.Context()
	fs, err := h.store.Folders(ctx, h.mailbox.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fs {
		if f.Special == "" && f.Name != store.Inbox {
			if err := h.store.RemoveFolder(ctx, f.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	inbox := h.folder(t, store.Inbox)
	uids, err := h.store.UIDs(ctx, inbox.ID)
	if err != nil {
		t.Fatal(err)
	}
	missing := slices.ContainsFunc(held, func(uid uint32) bool { return !slices.Contains(uids, uid) })
	if missing || held == nil {
		held = nil
		for _, shape := range []string{"transport", "eight bit", "no empty line", "digest", "never closed"} {
			held = append(held, h.put(t, store.Inbox, samples()[shape]))
		}
	}
	foreign := slices.DeleteFunc(uids, func(uid uint32) bool { return slices.Contains(held, uid) })
	if len(foreign) == 0 {
		return held
	}
	if err := h.store.Expunge(ctx, inbox.ID, foreign); err != nil {
		t.Fatal(err)
	}
	return held
}

// dialogue is what was said on one connection of a whole server.
type dialogue struct {
	sent, heard string
	log         lockedBuffer
}

// converse runs a server with one connection through the situation and the pieces. It returns when Serve has.
func (h *house) converse(t *testing.T, s situation, pieces []string) *dialogue {
	d := &dialogue{}
	server, err := New(Config{
		Store: h.store, TLS: &tls.Config{Certificates: []tls.Certificate{testCertificate()}}, MaxAppend: 64 << 10, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	server.delay = 0
	here, there := net.Pipe()
	remote := &endable{Conn: there}
	l := onlyConn(remote)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	if err := here.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c := &fuzzClient{t: t, conn: tls.Client(here, clientTLS())}
	c.in = bufio.NewReader(c.conn)
	c.open(s)
	c.feed(remote, pieces)
	here.Close()
	stop()
	if err := <-ended; err != nil {
		t.Fatal("Serve:", err)
	}
	d.sent, d.heard = c.sent, c.heard.String()
	return d
}

// oneConn is a listener with a single connection.
type oneConn struct {
	conns  chan net.Conn
	closed context.Context
	close  context.CancelFunc
}

func onlyConn(conn net.Conn) *oneConn {
	l := &oneConn{conns: make(chan net.Conn, 1)}
	l.closed, l.close = context.WithCancel(context.Background())
	l.conns <- conn
	return l
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	l.close()
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// endable is the server's end of a pipe that keeps no time, and can be told that the client sends no more.
type endable struct {
	net.Conn
	over atomic.Bool
}

func (e *endable) end() {
	e.over.Store(true)
	_ = e.Conn.SetReadDeadline(time.Unix(1, 0))
}

func (e *endable) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if e.over.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.EOF
	}
	return n, err
}

func (e *endable) SetDeadline(time.Time) error      { return nil }
func (e *endable) SetReadDeadline(time.Time) error  { return nil }
func (e *endable) SetWriteDeadline(time.Time) error { return nil }

// fuzzClient leads the dialogue to its situation, then sends anything.
type fuzzClient struct {
	t     *testing.T
	conn  *tls.Conn
	in    *bufio.Reader
	sent  string
	heard strings.Builder
}

func (c *fuzzClient) open(s situation) {
	c.hearUntil("* OK ")
	for _, step := range s.steps {
		if _, err := io.WriteString(c.conn, step); err != nil {
			c.t.Fatal(err)
		}
		c.sent += step
		c.hearUntil("+ ", step[:2]+"OK ")
	}
}

// hearUntil reads up to a line that begins so.
func (c *fuzzClient) hearUntil(prefixes ...string) {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%q: %q, %v", c.sent, line, err)
		}
		c.heard.WriteString(line)
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) }) {
			return
		}
	}
}

// feed sends the pieces, each when the one before has been read, and reads to the end.
func (c *fuzzClient) feed(remote *endable, pieces []string) {
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&c.heard, c.in)
		read <- err
	}()
	for _, piece := range pieces {
		if piece == "" {
			continue
		}
		if _, err := io.WriteString(c.conn, piece); err != nil {
			break // the server has closed
		}
		c.sent += piece
	}
	remote.end()
	if err := <-read; errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the connection does not end")
	}
}

func (d *dialogue) loggedIn() bool { return strings.Contains(d.log.String(), `msg="imapd: log-in"`) }

var (
	answerForm   = regexp.MustCompile(`(?s)^([^ ]+) (OK|NO|BAD) `)
	untaggedForm = regexp.MustCompile(`(?s)^\* (OK|NO|BAD|BYE|CAPABILITY|ENABLED|LIST|LSUB|STATUS|SEARCH|ESEARCH|FLAGS|NAMESPACE|\d+ (?:EXISTS|RECENT|EXPUNGE|FETCH))(?: |$)`)
)

func (d *dialogue) check(t *testing.T) {
	t.Helper()
	if log := d.log.String(); strings.Contains(log, "panic") {
		t.Fatal(log)
	}
	if d.loggedIn() && !d.hasPassword() {
		t.Fatalf("a log-in without the password: %q", d.sent)
	}
	opened := strings.Contains(strings.ToUpper(d.sent), "SELECT") || strings.Contains(strings.ToUpper(d.sent), "EXAMINE")
	for _, r := range responses(t, d.heard) {
		if strings.HasPrefix(r, "+ ") {
			continue
		}
		if found := answerForm.FindStringSubmatch(r); found != nil && found[1] != "*" {
			if !strings.Contains(d.sent, found[1]+" ") {
				t.Fatalf("nobody sent the tag of %q", r)
			}
			continue
		}
		found := untaggedForm.FindStringSubmatch(r)
		if found == nil {
			t.Fatalf("response %q", r)
		}
		told := found[1]
		ofMessages := strings.Contains("EXISTS RECENT EXPUNGE FETCH SEARCH ESEARCH FLAGS", told[strings.LastIndexByte(told, ' ')+1:])
		ofStatus := strings.Contains("OK NO BAD BYE CAPABILITY", told)
		if !d.loggedIn() && !ofStatus || !opened && ofMessages {
			t.Fatalf("nobody may know %q after %q", r, d.sent)
		}
	}
}

// hasPassword says whether the right password was sent, in any form.
func (d *dialogue) hasPassword() bool {
	words := strings.FieldsFunc(d.sent, func(r rune) bool { return strings.ContainsRune(" \r\n\"", r) })
	return strings.Contains(strings.ReplaceAll(d.sent, `\`, ""), testPassword) || slices.ContainsFunc(words, func(word string) bool {
		octets, err := base64.StdEncoding.DecodeString(word)
		return err == nil && strings.Contains(string(octets), testPassword)
	})
}

// responses cuts what was heard, each with its literals.
func responses(t *testing.T, heard string) (all []string) {
	t.Helper()
	for rest := heard; rest != ""; {
		end := 0
		for {
			length := strings.Index(rest[end:], "\r\n")
			if length < 0 || strings.ContainsAny(rest[end:end+length], "\r\n\x00") {
				t.Fatalf("no response: %q", rest)
			}
			line := rest[end : end+length]
			end += length + 2
			found := literalEnd.FindStringSubmatch(line)
			if found == nil {
				break
			}
			n, err := strconv.Atoi(found[1])
			if err != nil || n > len(rest)-end {
				t.Fatalf("a literal is cut: %q", rest)
			}
			end += n
		}
		all = append(all, strings.TrimSuffix(rest[:end], "\r\n"))
		rest = rest[end:]
	}
	return all
}

// checkReadOnly: a folder that was opened for reading is as it was after whatever is said then, short of opening it again or
// putting something there.
func (d *dialogue) checkReadOnly(t *testing.T, s situation, before, after []string) {
	t.Helper()
	said := strings.ToUpper(d.sent)
	changes := func(word string) bool { return strings.Contains(said, word) }
	if s.name != "examined" || slices.ContainsFunc([]string{"SELECT", "RENAME", "APPEND", "COPY", "MOVE", "SUBSCRIBE"}, changes) {
		return
	}
	inbox := func(folders []string) string {
		return folders[slices.IndexFunc(folders, func(f string) bool { return strings.HasPrefix(f, store.Inbox) })]
	}
	if inbox(before) != inbox(after) {
		t.Fatalf("INBOX was %q and is %q after %q", inbox(before), inbox(after), d.sent)
	}
}
