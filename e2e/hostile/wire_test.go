package hostile

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOutboundWire: whatever a client sends, what leaves us towards a server outside has no bare CR or LF, ends its
// message once, and is, octet for octet, the envelope with the original that was accepted; its signature verifies
// (attacks.md 7).
// norms.md 19
func TestOutboundWire(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := startAlfa(t, func(config string) string {
		return regexp.MustCompile(`domain = "\*"\naddress = "[^"]*"`).ReplaceAllString(config, "domain = \"*\"\naddress = \""+sink.address+"\"")
	})
	from := s.alfa().Mailboxes[0]
	c := s.submission(t, from)
	bodies := wireBodies()
	originals := map[string][]byte{}
	for i, body := range bodies {
		l := letter{from: from.Address, to: []string{"chiunque@altrove.test"}, subject: "Prova", id: fmt.Sprintf("<wire.%d@client.test>", i), body: body}
		r := c.transaction("<"+from.Address+">", l.to, l.octets())
		if r.pecID() == "" {
			t.Fatalf("body %d: %v", i, r)
		}
		originals[r.pecID()] = l.octets()
	}
	for range bodies {
		d := <-sink.received
		if !noBareLineEnds(d) || !bytes.HasSuffix(d, []byte("\r\n.\r\n")) || bytes.Count(d, []byte("\r\n.\r\n")) != 1 {
			t.Fatalf("octets that no SMTP server should see: %q", d)
		}
		m := readMessage(t, bytes.ReplaceAll(bytes.TrimSuffix(d, []byte(".\r\n")), []byte("\r\n."), []byte("\r\n")))
		id := m.data.Data.ID
		wantOriginal(t, id, m.original, originals[id], id)
		delete(originals, id)
		file := filepath.Join(t.TempDir(), "message.eml")
		writeFile(t, file, m.octets)
		tool(t, "openssl", "cms", "-verify", "-in", file, "-CAfile", s.path(s.file.CAFile), "-purpose", "smimesign", "-out", file+".signed")
		if signed := readFile(t, file+".signed"); !bytes.Contains(m.octets, signed) || !bytes.Contains(signed, m.original) {
			t.Error("what openssl verified is not what was sent")
		}
	}
	if len(originals) > 0 {
		t.Errorf("%d messages did not leave", len(originals))
	}
	s.wantRefusedLineEnds(t, from)
}

// wireBodies are hard on whoever puts dots before lines and cuts lines at buffers.
func wireBodies() []string {
	var all []string
	for _, body := range []string{
		"", ".", "..", "...", ".\r\n.", "\r\n.\r\n..\r\n.", ".x", "x\r\n\r\n.\r\n\r\n", "\r\n\r\n", " .", "\t.\r\n .",
		"a\r\n.\r\nMAIL FROM:<forged@x.test>\r\nRCPT TO:<x@y.test>\r\nDATA\r\n", strings.Repeat(".", 998), strings.Repeat(".\r\n", 30_000),
		"\x85\xa0\x0b\x0c.\x1a\x04\x0b", "\xe2\x80\xa8.\xe2\x80\xa9.", strings.Repeat("x", 998) + "\r\n.",
	} {
		all = append(all, body+"\r\n")
	}
	for _, edge := range []int{4 << 10, 32 << 10, 64 << 10} {
		for shift := -3; shift <= 3; shift++ { // a dot at a line's start about where a buffer may end
			fill := strings.Repeat(strings.Repeat("y", 62)+"\r\n", edge/64)
			all = append(all, strings.Repeat("z", 10+shift)+"\r\n"+fill+".\r\n..\r\n")
		}
	}
	return all
}

// wantRefusedLineEnds: what could end a message for others is 550 and the end of the connection, wherever it stands.
func (s *sandbox) wantRefusedLineEnds(t *testing.T, from account) {
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\r\n.\r\n", "\n\n.\r\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n", "\n\r.\r\n", "\r\n.\r\r\n",
	} {
		for _, place := range []string{"header", "body"} {
			c := s.submission(t, from)
			c.envelope("<"+from.Address+">", []string{"chiunque@altrove.test"})
			l := letter{from: from.Address, to: []string{"chiunque@altrove.test"}, id: "<x@client.test>", body: "x" + end + "MAIL FROM:<forged@x.test>\r\n"}
			if place == "header" {
				l.body, l.more = "x\r\n", []string{"X: y" + end + "MAIL FROM:<forged@x.test>"}
			}
			c.say("DATA")
			r := c.send(string(l.octets()) + "\r\n.\r\nNOOP\r\n")
			if rest := c.rest(); r.code != 550 || !strings.HasPrefix(r.text, "5.6.11 ") || rest != "" {
				t.Errorf("%q in the %s: %v, and then %q", end, place, r, rest)
			}
		}
	}
}

// sink is an SMTP server outside, without TLS, that takes everything and keeps the octets between DATA and the end.
type sink struct {
	address  string
	received chan []byte
}

func newSink(t *testing.T) *sink {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{address: l.Addr().String(), received: make(chan []byte, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.serve(conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return s
}

// serve talks on one connection until it is closed, by who sends or at the test's end.
func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 sink.test\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), " "); verb {
		case "EHLO":
			fmt.Fprint(conn, "250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
		case "DATA":
			fmt.Fprint(conn, "354 go on\r\n")
			s.received <- untilEnd(in)
			fmt.Fprint(conn, "250 2.0.0 taken\r\n")
		case "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 2.0.0 ok\r\n")
		}
	}
}

// untilEnd reads octets, whatever they are, up to CRLF.CRLF with its end.
func untilEnd(in *bufio.Reader) (octets []byte) {
	for end := []byte("\r\n.\r\n"); !bytes.HasSuffix(octets, end); {
		line, err := in.ReadSlice('\n')
		octets = append(octets, line...)
		if err != nil {
			return slices.Clip(octets)
		}
	}
	return octets
}
