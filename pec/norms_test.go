package pec

import (
	"bytes"
	"html"
	"io"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// norms.md 27: To, Cc, every Received and a Reply-To of the original are the envelope's, octet for octet.
func TestEnvelopeKeepsFields(t *testing.T) {
	const theirs = "Received: from a\r\n\tby b; Sat, 19 Sep 2026 15:40:00 +0200\r\nreply-to:  \"Altri,\r\n anche\" <altri@posta.test>, x@y.test\r\n" +
		"CC:\tanna@posta.test (Anna)\r\nTO: Protocollo: protocollo@comune.beta.test,\r\n studio@pec.beta.test;\r\n"
	const ours = "Received: from client by mx.pec.alfa.test; Sat, 19 Sep 2026 15:41:18 +0200\r\n"
	c := sampleComposition(t, Transport)
	c.Original = []byte(ours + theirs + "From: Mario.Rossi@pec.alfa.test\r\nMessage-ID: " + messageID.Bracketed() + "\r\n\r\n")
	header := parse(t, assembled(compose(t, c), sampleBody)).Header
	kept := []string{"Received", "To", "Cc", "Reply-To"}
	fields := func(h Header) (raw []string) {
		for _, f := range h.Fields() {
			if slices.ContainsFunc(kept, f.Is) {
				raw = append(raw, string(f.Raw))
			}
		}
		slices.Sort(raw)
		return raw
	}
	if got, want := fields(header), fields(mustHeader(t, []byte(ours+theirs))); !slices.Equal(got, want) {
		t.Errorf("the envelope has %q, the original %q", got, want)
	}
}

// readable are the two texts for people, decoded but for their charset.
func readable(t *testing.T, message []byte) (plain, markup string) {
	t.Helper()
	texts := scan(message, nil).Root.Children[0].Children[0]
	if len(texts.Children) != 2 || !texts.Children[0].Is("text", "plain") || !texts.Children[1].Is("text", "html") {
		t.Fatal("the first part is not a text and its HTML")
	}
	var decoded [2]string
	for i, p := range texts.Children {
		octets, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(message[p.Body:p.End])))
		if err != nil {
			t.Fatal(err)
		}
		decoded[i] = string(octets)
	}
	return decoded[0], decoded[1]
}

// norms.md 98: the HTML says what the text says, refers to nothing and does nothing, whatever is put into it.
func TestHTMLIsInert(t *testing.T) {
	tag := regexp.MustCompile(`<[^>]*>`)
	harmless := strings.Fields("<html> <head> <title> </title> </head> <body> <h3> </h3> <hr> <br> </body> </html>")
	for _, kind := range allKinds() {
		c := sampleComposition(t, kind)
		c.Data.Subject = `</title><script src="//x.test/x.js">alert(1)</script><img src=x onerror='y'>&lt;a href="x">`
		if c.Data.Detail != "" && kind != Overdue {
			c.Data.Detail += ` <iframe src="https://x.test">`
		}
		plain, markup := readable(t, assembled(compose(t, c), sampleBody))
		for _, element := range tag.FindAllString(markup, -1) {
			if !slices.Contains(harmless, element) {
				t.Errorf("%s: the HTML has %s", kind, element)
			}
		}
		_, body, _ := strings.Cut(markup, "<body>")
		words := strings.Fields(html.UnescapeString(tag.ReplaceAllString(body, " ")))
		if want := strings.Fields(plain); !slices.Equal(words, want) {
			t.Errorf("%s: the HTML says\n%q\nthe text\n%q", kind, words, want)
		}
	}
}

// norms.md 97: what Latin-1 cannot say is a question mark in the texts, and exact in the data.
func TestTextsDegradeToLatin1(t *testing.T) {
	c := sampleComposition(t, Transport)
	c.Data.Subject = "Perché € 👍 Ω no"
	d := compose(t, c)
	plain, markup := readable(t, assembled(d, sampleBody))
	for _, text := range []string{plain, markup} {
		if !strings.Contains(html.UnescapeString(text), "\"Perch\xe9 ? ? ? no\"") {
			t.Errorf("the text is %q", text)
		}
	}
	if got, err := ParseCertData(d.Data.XML()); err != nil || got.Subject != c.Data.Subject {
		t.Errorf("the data say %q, %v", got.Subject, err)
	}
}
