package dialect

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html"
	"io"
	"mime/quotedprintable"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// texts are the engines' own, as far as field-notes.md 5 gives them: first line the title.
//
//go:embed texts/*/*.txt
var texts embed.FS

// textStyle is what people read.
type textStyle struct {
	own         string   // directory below texts/; a kind that it has not is served with the annex
	annex       []string // old, new, old, new: what differs from the annex
	charset     func(string) []byte
	annexHTML   bool // the HTML keeps the annex's wording
	italianOnly bool // what follows the rule of dashes is left out
}

// human gives the plain text, its last line without end, and the HTML, both in Unicode.
func (s textStyle) human(own *pec.Draft) (text, hypertext string, err error) {
	annex, err := annexOf(own)
	if err != nil {
		return "", "", err
	}
	annex = strings.NewReplacer(s.annex...).Replace(annex)
	text = annex
	if model, err := texts.ReadFile("texts/" + s.own + "/" + string(own.Kind) + ".txt"); err == nil && isUsual(own.Data) {
		text = fill(s.cut(string(model)), func(word string) string { return textWord(own.Data, word) })
	}
	text = strings.TrimSuffix(text, "\n")
	if s.annexHTML {
		return text, asHTML(strings.TrimSuffix(annex, "\n")), nil
	}
	return text, asHTML(text), nil
}

// isUsual tells the forms whose texts are known from the field: no virus, and receipts that were asked for complete.
func isUsual(c pec.CertData) bool {
	return c.Reason != pec.ReasonVirus && c.ReceiptType != pec.Brief && c.ReceiptType != pec.Concise
}

func (s textStyle) cut(model string) string {
	if s.italianOnly {
		model, _, _ = strings.Cut(model, strings.Repeat("-", 51))
	}
	return model
}

// annexOf reads the annex's text out of our own draft (norms.md 1.3).
func annexOf(own *pec.Draft) (string, error) {
	plain := func(p *pec.Part) bool { return p.Is("text", "plain") }
	scan := pec.NewScanner(plain)
	_, _ = scan.Write(own.Before)
	var kept []byte
	scan.Finish().Root.Walk(func(p *pec.Part) bool {
		kept = p.Kept
		return kept == nil
	})
	if kept == nil {
		return "", errors.New("our own draft has no text")
	}
	octets, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(kept)))
	if err != nil {
		return "", fmt.Errorf("text of our own draft: %w", err)
	}
	var out strings.Builder
	for _, c := range bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")) {
		out.WriteRune(rune(c)) // ISO-8859-1
	}
	return out.String(), nil
}

// textWord is the value of a {word} of texts/.
func textWord(c pec.CertData, word string) string {
	switch word {
	case "giorno":
		return c.At.Format("02/01/2006")
	case "data iso":
		return c.At.Format("2006-01-02")
	case "ora":
		return c.At.Format("15:04:05")
	case "zona":
		return c.At.Format("-0700")
	case "oggetto":
		return c.Subject
	case "mittente":
		return string(c.Sender)
	case "consegna":
		return string(c.DeliveredTo)
	case "errore":
		return c.Detail
	case "id":
		return string(c.ID)
	case "destinatari":
		return recipientLines(c, "", "", "")
	case "destinatari con tipo":
		return recipientLines(c, "", "posta certificata", "posta ordinaria")
	case "elenco":
		return recipientLines(c, "- ", "", "")
	case "elenco con tipo":
		return recipientLines(c, "- ", "posta certificata", "posta ordinaria")
	case "list with type":
		return recipientLines(c, "- ", "certified mail", "ordinary mail")
	}
	return ""
}

func recipientLines(c pec.CertData, before, certified, external string) string {
	var lines []string
	for _, r := range c.Recipients {
		line, label := before+string(r.Address), external
		if r.Type == pec.Certified {
			label = certified
		}
		if label != "" {
			line += ` ("` + label + `")`
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// asHTML is ASCII: what is not becomes an entity.
func asHTML(text string) string {
	title, rest, _ := strings.Cut(text, "\n")
	title = entities(title)
	var out strings.Builder
	out.WriteString("<html><head><title>" + title + "</title></head><body><h3>" + title + "</h3><hr><br>\n")
	for line := range strings.SplitSeq(rest, "\n") {
		out.WriteString(entities(line) + "<br>\n")
	}
	return out.String() + "</body></html>"
}

func entities(s string) string {
	s = strings.NewReplacer("&#34;", "&quot;", "&#39;", "'", "è", "&egrave;", "é", "&eacute;", "à", "&agrave;",
		"ì", "&igrave;", "ò", "&ograve;", "ù", "&ugrave;").Replace(html.EscapeString(s))
	var out strings.Builder
	for _, r := range s {
		if r > '~' {
			fmt.Fprintf(&out, "&#%d;", r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func toUTF8(s string) []byte { return []byte(s) }

// toLatin1 puts '?' for what ISO-8859-1 cannot say (quirks.md B11).
func toLatin1(s string) []byte {
	var out []byte
	for _, r := range s {
		if r > 0xff || r >= 0x7f && r < 0xa0 {
			r = '?'
		}
		out = append(out, byte(r))
	}
	return out
}

// toASCII writes e' for è (quirks.md D3).
func toASCII(s string) []byte {
	s = strings.NewReplacer("è", "e'", "é", "e'", "à", "a'", "ì", "i'", "ò", "o'", "ù", "u'").Replace(s)
	return []byte(strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, s))
}
