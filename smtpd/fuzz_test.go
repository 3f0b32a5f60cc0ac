package smtpd

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
)

// states are where a conversation can stand when foreign octets arrive.
var states = []func(s *session){
	func(*session) {}, // after the greeting
	func(s *session) { s.peer.Hello, s.esmtp = "x", true },
	func(s *session) { s.peer.Hello, s.esmtp, s.peer.TLS = "x", true, new(tls.ConnectionState) },
	func(s *session) {
		s.peer.Hello, s.esmtp, s.peer.TLS, s.account = "x", true, new(tls.ConnectionState), testUser
	},
	func(s *session) {
		s.peer.Hello, s.esmtp, s.peer.TLS, s.account = "x", true, new(tls.ConnectionState), testUser
		s.tx = &Transaction{From: "a@x.test", Recipients: []string{"b@x.test"}}
	},
	func(s *session) { // in DATA
		s.peer.Hello, s.esmtp, s.peer.TLS, s.account = "x", true, new(tls.ConnectionState), testUser
		s.tx = &Transaction{From: "a@x.test", Recipients: []string{"b@x.test"}}
		s.wire.reply(354, "end with CRLF.CRLF")
		s.message()
	},
}

// FuzzConversation starts from each state, for both kinds of server, and cuts the octets in two anywhere. Whatever they are: no panic,
// every line written is a reply, a message needs DATA and its own 250, MAIL needs a log-in.
func FuzzConversation(f *testing.F) {
	good := "AUTH PLAIN AGFubmFAcGVjLmFsZmEudGVzdABzZWdyZXRhLcOgw6nDrA==\r\n"
	for state := range states {
		for _, marker := range markers {
			f.Add(uint8(state), true, "x"+marker+smuggled, uint16(9))
		}
		f.Add(uint8(state), false, "EHLO x\r\n"+envelope, uint16(57))
		f.Add(uint8(state), true, "EHLO x\r\n"+good+envelope, uint16(8))
		f.Add(uint8(state), true, "AUTH LOGIN\r\nYQ==\r\n*\r\nSTARTTLS\r\n", uint16(12))
		f.Add(uint8(state), false, "MAIL FROM:<\"a>\\\"\"@x.test> SIZE=9 BODY=7BIT\r\nRSET\r\nHELO\r\nVRFY\r\nQUIT\r\n", uint16(2))
		f.Add(uint8(state), false, "STARTTLS\r\n\x16\x03\x01\x00\x05hello", uint16(10))
	}
	f.Fuzz(func(t *testing.T, state uint8, submission bool, octets string, cut uint16) {
		r := new(record)
		c := testConfig(r)
		if submission {
			c = submissionConfig(r)
		}
		i := min(int(cut), len(octets))
		conn := &script{chunks: [][]byte{[]byte(octets[:i]), []byte(octets[i:])}}
		s := newSession(mustNew(t, c), conn)
		s.stop, s.ctx = context.Background(), context.Background()
		states[int(state)%len(states)](s)
		s.converse()

		out := conn.out.String()
		if before, _, tls := strings.Cut(out, "220 2.0.0 ready to start TLS\r\n"); tls {
			out = before // an alert may follow
		}
		if out == "" {
			return
		}
		if !strings.HasSuffix(out, "\r\n") {
			t.Fatalf("half a reply: %q", out)
		}
		checkReplies(t, strings.Split(strings.TrimSuffix(out, "\r\n"), "\r\n"))
		accepted := strings.Count(out, "250 2.0.0 accepted")
		if accepted != len(r.messages) || strings.Count(out, "354 ") < accepted {
			t.Fatalf("%d messages, replies %q", len(r.messages), out)
		}
		if submission && s.account == "" && len(r.senders) > 0 {
			t.Fatalf("MAIL without a log-in: %q", r.senders)
		}
	})
}
