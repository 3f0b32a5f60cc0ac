package pec

import (
	"bytes"
	"strings"
	"testing"
)

const ourReceived = "Received: from client by mx.pec.alfa.test; Sat, 19 Sep 2026 15:41:19 +0200\r\n"

// TestRewrite is design.md 5, "what we change in an original".
// norms.md 18
func TestRewrite(t *testing.T) {
	ours := "Message-ID: " + messageID.Bracketed() + "\r\n"
	cases := map[string]struct{ in, want string }{
		"in place":         {"A: 1\r\nMessage-Id: <a@b>\r\nB:  2 \r\n c\r\n\r\n", ourReceived + "A: 1\r\n" + ours + "B:  2 \r\n c\r\nX-Riferimento-Message-ID: <a@b>\r\n\r\n"},
		"folded":           {"Message-ID:\r\n <a@b>\r\nA: 1\r\n", ourReceived + ours + "A: 1\r\nX-Riferimento-Message-ID: <a@b>\r\n\r\n"},
		"added last":       {"A: 1\r\n\r\n", ourReceived + "A: 1\r\n" + ours + "\r\n"},
		"client's own":     {"x-riferimento-message-id: <x@y>\r\nReturn-Path: <z@z>\r\nMessage-ID: <a@b>\r\n\r\n", ourReceived + ours + "X-Riferimento-Message-ID: <a@b>\r\n\r\n"}, // attacks.md 4
		"kept as they are": {"X-Ricevuta: x\r\nX-Trasporto: y\r\nReceived: z\r\nBcc:\r\n\r\n", ourReceived + "X-Ricevuta: x\r\nX-Trasporto: y\r\nReceived: z\r\nBcc:\r\n" + ours + "\r\n"},
		"empty":            {"", ourReceived + ours + "\r\n"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got := Rewrite(mustHeader(t, []byte(test.in)), []byte(ourReceived), messageID)
			if string(got) != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// FuzzRewrite: nothing but the listed changes.
// norms.md 18, 19
func FuzzRewrite(f *testing.F) {
	f.Add(crlf(sampleHeader))
	f.Add([]byte("Message-ID: <a@b>\r\nmessage-id : <c@d>\r\nReturn-Path: x\r\n y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, block []byte) {
		h, err := ParseHeader(block)
		if err != nil {
			return
		}
		out := Rewrite(h, []byte(ourReceived), messageID)
		if !bytes.HasSuffix(out, []byte("\r\n\r\n")) && len(h.Fields()) > 0 {
			t.Fatalf("%q does not end with the empty line", out)
		}
		got := mustHeader(t, out)
		if ids := got.Values("Message-ID"); len(ids) != 1 || ids[0] != messageID.Bracketed() {
			t.Fatalf("Message-IDs %q", ids)
		}
		touched := func(f Field) bool { return f.Is("Message-ID") || f.Is(HeaderReference) || f.Is("Return-Path") }
		if want, have := untouched(h, touched), untouched(got, touched); want != strings.TrimPrefix(have, ourReceived) {
			t.Fatalf("%q became %q", want, have)
		}
		want := []string(nil)
		if id := h.Get("Message-ID"); ClientID(id).valid() {
			want = []string{id}
		}
		if refs := got.Values(HeaderReference); len(refs) != len(want) || len(refs) == 1 && refs[0] != want[0] {
			t.Fatalf("references %q, want %q", refs, want)
		}
	})
}

func untouched(h Header, touched func(Field) bool) string {
	var s strings.Builder
	for _, f := range h.Fields() {
		if !touched(f) {
			s.Write(f.Raw)
		}
	}
	return s.String()
}

// TestSpoofedFields: PEC fields of the client never reach the envelope's header (norms.md 34,
// attacks.md 4), and a whole envelope submitted again is only an original.
func TestSpoofedFields(t *testing.T) {
	first := compose(t, sampleComposition(t, Transport))
	again := "X-Ricevuta: avvenuta-consegna\r\nX-Mittente: x@y.test\r\nX-VerificaSicurezza: errore\r\n" + string(assembled(first, sampleBody))
	header, body, _ := strings.Cut(again, "\r\n\r\n")
	const second = ID("cl1.20260919154119.11111111111111111111@pec.alfa.test")
	c := sampleComposition(t, Transport)
	c.Data.ID, c.MessageID, c.Boundary = second, second, strings.Repeat("ab", 16)
	c.Original = Rewrite(mustHeader(t, []byte(header+"\r\n\r\n")), nil, second)
	m := parse(t, assembled(compose(t, c), body))
	if err := m.Consistent(alfaSigner); err != nil {
		t.Error(err)
	}
	if m.Data.ID != second || m.Receipt != "" || m.Header.Get(HeaderSecurity) != "" || m.Header.Get(HeaderSender) != "" {
		t.Errorf("identifier %s, header\n%s", m.Data.ID, m.Header.Raw())
	}
}
