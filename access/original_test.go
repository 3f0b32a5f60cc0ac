package access

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func replaceOnce(s, old, new string) string { return strings.Replace(s, old, new, 1) }

// fields are such as clients write; those that the program changes are drawn beside them.
var fields = []string{
	"subject:\tperch\xe9", "X-Riferimento-Message-ID: <0@other.test>", "x-riferimento-message-id:\r\n <9@other.test>",
	"Return-Path: <eva@x.test>", "RETURN-PATH: <>", "X-Ricevuta: accettazione", "X-Trasporto: posta-certificata", "Date: Sat, 19 Sep 2026 12:00:00 +0200",
	"Received: from a\r\n\tby b; Sat, 19 Sep 2026 12:00:00 +0200", "DKIM-Signature: v=1; b=\r\n\tabc", "MIME-Version: 1.0", "X-Empty:", "Comments: ", "X-TipoRicevuta: Breve",
	"Cc: anna@comune.alfa.test", "Reply-To: Altro <altro@x.test>", "Sender: mario@pec.alfa.test", "Message-IDs: none",
}

// design.md 5 lists exhaustively what we change in an original.
// norms.md 18, 19
func TestOriginalChangesOnlyAsListed(t *testing.T) {
	w := newWorld(t)
	received := regexp.MustCompile(`^Received: from client\.test \(\[192\.0\.2\.1\]\)\r\n\tby mx\.pec\.alfa\.test with ESMTPSA id (\S+);\r\n\t[^\r]+\r\n$`)
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.Permutation(fields[:rapid.IntRange(0, len(fields)).Draw(rt, "fields")]).Draw(rt, "order")
		lines = append(lines, "From: mario@pec.alfa.test", "To: luigi@pec.beta.test")
		name := rapid.SampledFrom([]string{"Message-ID", "message-id", ""}).Draw(rt, "name")
		if name != "" {
			lines = append(lines, name+": <1@client.test>")
		}
		lines = rapid.Permutation(lines).Draw(rt, "header")
		body := rapid.StringMatching(`([ -~\x80-\xff]{0,60}\r\n){0,4}`).Draw(rt, "body")
		id := w.accept(text(lines...)+"\r\n"+body, luigi)
		e, _ := w.envelope(id)
		header, gotBody, _ := strings.Cut(string(w.original(e.Message)), "\r\n\r\n")
		ours, rest, _ := strings.Cut(header+"\r\n", "+0200\r\n")
		if m := received.FindStringSubmatch(ours + "+0200\r\n"); m == nil || m[1] != string(id) {
			rt.Errorf("the trace line is %q", ours)
		}
		if want := expected(lines, string(id)); rest != want {
			rt.Errorf("the header is\n%s\nwant\n%s", rest, want)
		}
		if gotBody != body {
			rt.Errorf("the body is %q, want %q", gotBody, body)
		}
	})
}

// expected is the header that follows from design.md 5, below our trace line.
func expected(lines []string, id string) string {
	var want []string
	replaced := false
	for _, l := range lines {
		name, _, _ := strings.Cut(strings.ToLower(l), ":")
		switch name {
		case "x-riferimento-message-id", "return-path":
		case "message-id":
			want, replaced = append(want, "Message-ID: <"+id+">"), true
		default:
			want = append(want, l)
		}
	}
	if replaced {
		want = append(want, "X-Riferimento-Message-ID: <1@client.test>")
	} else {
		want = append(want, "Message-ID: <"+id+">")
	}
	return text(want...)
}
