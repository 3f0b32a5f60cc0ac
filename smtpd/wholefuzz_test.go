package smtpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// situation is a point of the dialogue that foreign octets are fed into. The steps lead there from the first octet: a command is sent
// and its reply awaited, "TLS" is a handshake.
type situation struct {
	name       string
	submission bool
	implicit   bool
	steps      []string
}

const (
	ehlo     = "EHLO x\r\n"
	startTLS = "STARTTLS\r\n"
	mailFrom = "MAIL FROM:<a@x.test>\r\n"
	rcptTo   = "RCPT TO:<b@x.test>\r\n"
	dataLine = "DATA\r\n"
	logIn    = "AUTH PLAIN AGFubmFAcGVjLmFsZmEudGVzdABzZWdyZXRhLcOgw6nDrA==\r\n"
)

func situations() []situation {
	return []situation{
		{name: "relay"},
		{name: "relay, after EHLO", steps: []string{ehlo}},
		{name: "relay, handshake awaited", steps: []string{ehlo, startTLS}},
		{name: "relay, in TLS", steps: []string{ehlo, startTLS, "TLS", ehlo}},
		{name: "relay, after MAIL", steps: []string{ehlo, mailFrom}},
		{name: "relay, after RCPT", steps: []string{ehlo, mailFrom, rcptTo}},
		{name: "relay, in DATA", steps: []string{ehlo, mailFrom, rcptTo, dataLine}},
		{name: "relay, after a message", steps: []string{ehlo, mailFrom, rcptTo, dataLine, "x\r\n.\r\n"}},
		{name: "submission in clear", submission: true, steps: []string{ehlo}},
		{name: "submission, handshake awaited", submission: true, implicit: true},
		{name: "submission", submission: true, implicit: true, steps: []string{"TLS"}},
		{name: "submission, after EHLO", submission: true, steps: []string{ehlo, startTLS, "TLS", ehlo}},
		{name: "submission, password asked", submission: true, implicit: true, steps: []string{"TLS", ehlo, "AUTH LOGIN\r\n", "YW5uYQ==\r\n"}},
		{name: "submission, logged in", submission: true, implicit: true, steps: []string{"TLS", ehlo, logIn}},
		{name: "submission, after MAIL", submission: true, implicit: true, steps: []string{"TLS", ehlo, logIn, mailFrom}},
		{name: "submission, after RCPT", submission: true, implicit: true, steps: []string{"TLS", ehlo, logIn, mailFrom, rcptTo}},
		{name: "submission, in DATA", submission: true, implicit: true, steps: []string{"TLS", ehlo, logIn, mailFrom, rcptTo, dataLine}},
	}
}

// FuzzServer feeds three pieces of anything to a whole server, in each situation; each piece is sent when the one before has been read.
// Whatever they are: Serve ends, nothing panics, every line is a reply that we know; the client hears of a log-in, a sender, a
// recipient and a message exactly what the functions were asked, in an order that SMTP allows; each message taken stands between
// DATA and its true end in what was sent; and memory is in proportion to it (attacks.md 6 to 8).
func FuzzServer(f *testing.F) {
	for state := range situations() {
		f.Add(uint8(state), ehlo+mailFrom+rcptTo+dataLine, "Subject: x\r\n\r\n..x\r\n.\r\nQUIT\r\n", "")
		f.Add(uint8(state), rcptTo+dataLine, "x\r\n.\r\nMAIL FROM:<> SIZE=3 BODY=8BITMIME\r\n", "RSET\r\nVRFY x\r\nHELP\r\nNOOP\r\n")
		f.Add(uint8(state), "AUTH LOGIN\r\n", "YW5uYUBwZWMuYWxmYS50ZXN0\r\n", "c2VncmV0YS3DoMOpw6w=\r\n")
		f.Add(uint8(state), logIn+mailFrom, rcptTo+dataLine, ".\r\n")
		f.Add(uint8(state), mailFrom+dataLine, "x\r\n.\r\n", "")
		f.Add(uint8(state), startTLS+mailFrom, "a\x00b\r\n.\r\n", "")
		f.Add(uint8(state), rcptTo+dataLine+"x\r\n.\r\n", "", "")
		f.Add(uint8(state), "AUTH PLAIN\r\n", "*\r\nAUTH PLAIN =\r\nAUTH X\r\n", "STARTTLS\r\nNOOP\r\n")
		f.Add(uint8(state), startTLS, "\x16\x03\x01\x00\x05hello", "")
		f.Add(uint8(state), "DATA\r\nx\r\n.\r\nBDAT 3 LAST\r\nx\r\n", "GET / HTTP/1.1\r\n\r\n", "")
		f.Add(uint8(state), "x\r\n.\n"+smuggled, ".\r\n", "EXPN x\r\nETRN\r\nRCPT TO:<@a,@b:\"x\\\"\"@[127.0.0.1]>\r\n")
		f.Add(uint8(state), strings.Repeat("x", 1100)+"\r\n.", "\r\n"+mailFrom, strings.Repeat("NOOP x\r\n", 30))
	}
	all := situations()
	f.Fuzz(func(t *testing.T, state uint8, first, second, third string) {
		s := all[int(state)%len(all)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h := runHouse(t, s, []string{first, second, third})
		runtime.ReadMemStats(&after)
		if took, sent := after.TotalAlloc-before.TotalAlloc, len(h.sent)+len(h.heard); took > 4<<20+uint64(64*sent) {
			t.Errorf("%d octets of memory for %d of dialogue", took, sent)
		}
		h.check(t, s)
	})
}

// house is one whole server with one connection, and what was said on it.
type house struct {
	events []string // what the server's functions were asked with success, as the replies that follow from it
	taken  []string // messages
	log    strings.Builder
	sent   string // by the client, inside TLS
	turns  []int  // where in it the client waited for what came back
	heard  string
}

func (h *house) config(s situation) Config {
	c := testConfig(new(record))
	if s.submission {
		c = submissionConfig(new(record))
	}
	c.Implicit = s.implicit
	c.Log = slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	inner := c
	c.Authenticate = func(ctx context.Context, p Peer, user, password string) (string, error) {
		account, err := authenticate(ctx, p, user, password)
		if err == nil && p.TLS != nil {
			h.events = append(h.events, "235 2.7.0 authenticated")
		}
		return account, err
	}
	c.Sender = func(ctx context.Context, tx *Transaction) error {
		err := inner.Sender(ctx, tx)
		if err == nil && (!s.submission || tx.Account == testUser && tx.Peer.TLS != nil) {
			h.events = append(h.events, "250 2.1.0 ok")
		}
		return err
	}
	c.Recipient = func(ctx context.Context, tx *Transaction, to string) error {
		err := inner.Recipient(ctx, tx, to)
		if err == nil {
			h.events = append(h.events, "250 2.1.5 ok")
		}
		return err
	}
	c.Receive = func(_ context.Context, tx *Transaction, body io.Reader) (string, error) {
		h.events = append(h.events, "354 end with CRLF.CRLF")
		octets, err := io.ReadAll(body)
		if err != nil {
			return "", err
		}
		h.taken = append(h.taken, string(octets))
		h.events = append(h.events, "250 2.0.0 accepted")
		return "2.0.0 accepted", nil
	}
	return c
}

// runHouse plays the situation and the pieces. It returns when Serve has.
func runHouse(t *testing.T, s situation, pieces []string) *house {
	h := &house{}
	here, there := net.Pipe()
	remote := &endable{Conn: there}
	l := onlyConn(remote)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := mustNew(t, h.config(s))
	go func() { ended <- server.Serve(ctx, l) }()
	if err := here.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	p := &fuzzClient{Conn: here, t: t}
	p.open(s)
	p.feed(remote, pieces)
	stop()
	if err := <-ended; err != nil {
		t.Fatal("Serve:", err)
	}
	h.sent, h.turns, h.heard = p.sent, p.turns, p.heard.String()
	return h
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

func (e *endable) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711} }
func (e *endable) SetDeadline(time.Time) error      { return nil }
func (e *endable) SetReadDeadline(time.Time) error  { return nil }
func (e *endable) SetWriteDeadline(time.Time) error { return nil }

// fuzzClient leads the dialogue to its situation, then sends anything.
type fuzzClient struct {
	net.Conn
	t     *testing.T
	sent  string
	turns []int
	heard strings.Builder
}

func (p *fuzzClient) open(s situation) {
	steps := s.steps
	if !s.implicit {
		steps = append([]string{""}, steps...) // the greeting
	}
	for _, step := range steps {
		if step == "TLS" {
			conn := tls.Client(p.Conn, clientTLS())
			if err := conn.Handshake(); err != nil {
				p.t.Fatal(err)
			}
			p.Conn = conn
			p.heard.Reset()
			if step = ""; !s.implicit {
				continue
			}
		}
		p.say(step)
		p.hear()
	}
}

func (p *fuzzClient) say(octets string) {
	if octets == "" {
		return // a pipe would wait for its reader
	}
	if _, err := io.WriteString(p.Conn, octets); err != nil {
		p.t.Fatal(err)
	}
	p.note(octets)
}

func (p *fuzzClient) note(octets string) {
	p.sent += octets
	p.turns = append(p.turns, len(p.sent))
}

// hear reads one reply.
func (p *fuzzClient) hear() {
	in := bufio.NewReaderSize(p.Conn, 16<<10)
	for {
		line, err := in.ReadString('\n')
		if err != nil || len(line) < 4 {
			p.t.Fatalf("%q, %v", line, err)
		}
		p.heard.WriteString(line)
		if line[3] == ' ' {
			return
		}
	}
}

// feed sends the pieces, each when the one before has been read, and reads to the end.
func (p *fuzzClient) feed(remote *endable, pieces []string) {
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&p.heard, p.Conn)
		read <- err
	}()
	for _, piece := range pieces {
		if piece == "" {
			continue
		}
		if _, err := io.WriteString(p.Conn, piece); err != nil {
			break // the server has closed
		}
		p.note(piece)
	}
	remote.end()
	if err := <-read; errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatal("the connection does not end")
	}
	p.Conn.Close()
}

var (
	knownReply = regexp.MustCompile(`^(220[ -]|250[ -]|354 |(214|221|235|250|252) 2\.\d\.\d |334 |(421|450|451|452|454) 4\.\d\.\d+ |5(00|01|02|03|04|30|35|38|50|52|53|54|55) 5\.\d\.\d+ )[ -~]*$`)
	// desynced are the replies after which nobody knows where commands begin.
	desynced = regexp.MustCompile(`^(550 5\.6\.11|554 5\.5\.0|421|221) `)
	// told is what the client hears of that the functions are asked.
	told = regexp.MustCompile(`^(235 |250 2\.1\.[05] |354 |250 2\.0\.0 accepted)`)
)

func (h *house) check(t *testing.T, s situation) {
	t.Helper()
	if log := h.log.String(); strings.Contains(log, "panic") {
		t.Fatal(log)
	}
	replies := h.replies(t)
	checkReplies(t, replies)
	var heard []string
	for i, r := range replies {
		if !knownReply.MatchString(r) {
			t.Fatalf("reply %q", r)
		}
		if desynced.MatchString(r) && i < len(replies)-1 {
			t.Fatalf("it goes on after %q: %q", r, replies[i+1:])
		}
		if strings.HasPrefix(r, "451 ") && !strings.Contains(h.sent, "broken@") {
			t.Fatalf("a failure of ours: %q", r)
		}
		if told.MatchString(r) {
			heard = append(heard, r)
		}
	}
	if !slices.Equal(heard, h.events) {
		t.Fatalf("the client heard %q, the functions were asked %q", heard, h.events)
	}
	if err := legal(s, h.events); err != nil {
		t.Fatalf("%v: %q", err, h.events)
	}
	if strings.Contains(h.heard, readyForTLS) && !h.waited(`STARTTLS`) {
		t.Fatalf("TLS begins though more was sent: %q", h.sent)
	}
	for _, m := range h.taken {
		if !h.wasSent(m) {
			t.Fatalf("message %q was never sent: %q", m, h.sent)
		}
	}
}

const readyForTLS = "220 2.0.0 ready to start TLS\r\n"

// waited says whether the client sent nothing behind some command before it was answered.
func (h *house) waited(verb string) bool {
	command := regexp.MustCompile(`(?i)(^|\n)` + verb + ` *\r\n$`)
	return slices.ContainsFunc(h.turns, func(end int) bool { return command.MatchString(h.sent[:end]) })
}

// replies are the lines up to a second handshake, after which nothing can be read.
func (h *house) replies(t *testing.T) []string {
	t.Helper()
	out, _, _ := strings.Cut(h.heard, readyForTLS)
	if out == "" || out[0] == 0x15 { // an alert
		return nil
	}
	out, ended := strings.CutSuffix(out, "\r\n")
	if !ended {
		t.Fatalf("half a reply: %q", out)
	}
	return strings.Split(out, "\r\n")
}

// legal holds the events against the order of RFC 5321 4.1.4 and RFC 4954 4.
func legal(s situation, events []string) error {
	loggedIn, mail, recipients, data := !s.submission, false, 0, false
	for i, e := range events {
		switch e[:9] {
		case "235 2.7.0":
			if !s.submission || loggedIn || mail {
				return fmt.Errorf("event %d: a log-in", i)
			}
			loggedIn = true
		case "250 2.1.0":
			if !loggedIn {
				return fmt.Errorf("event %d: a sender without a log-in", i)
			}
			mail, recipients = true, 0
		case "250 2.1.5":
			if !mail {
				return fmt.Errorf("event %d: a recipient without a sender", i)
			}
			recipients++
		case "354 end w":
			if !mail || recipients == 0 {
				return fmt.Errorf("event %d: DATA without a recipient", i)
			}
			mail, data = false, true
		case "250 2.0.0":
			if !data || events[i-1][:3] != "354" {
				return fmt.Errorf("event %d: a message without DATA", i)
			}
			data = false
		default:
			return fmt.Errorf("event %d is unknown", i)
		}
	}
	return nil
}

// dataCommand is where a message may begin.
var dataCommand = regexp.MustCompile(`(?i)DATA *\r\n`)

// wasSent says whether a message is what some DATA of all that was sent means. Who sends it waits for the answer to DATA.
func (h *house) wasSent(message string) bool {
	return slices.ContainsFunc(dataCommand.FindAllStringIndex(h.sent, -1), func(at []int) bool {
		content, _, err := model(h.sent[at[1]:], 1000)
		return err == nil && content == message && slices.Contains(h.turns, at[1])
	})
}
