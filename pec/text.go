package pec

import (
	"embed"
	"fmt"
	"strings"
)

// texts are the models of norms.md 1.3, one file each: first line the title, {words} in braces
// filled in. They are prose: no program reads them back (field-notes.md 5).
//
//go:embed texts/*.txt
var texts embed.FS

// humanText is what people read of a message: the title, and the whole text with the title as
// its first line. Lines end with LF.
type humanText struct{ title, body string }

// form is the form of a delivery receipt, which its title tells. It is what the receipt is, not
// what was asked for: a recipient in copy gives a concise one (RFC 6109 3.3.2.1).
func (c CertData) form(enclosed bool) ReceiptType {
	if !enclosed {
		return Concise
	}
	return c.ReceiptType
}

// textName says which model serves the data.
func (c CertData) textName(enclosed bool) string {
	switch {
	case c.Kind == Anomaly:
		return "anomalia"
	case c.Kind == Delivered:
		return string(Delivered) + "-" + string(c.form(enclosed))
	case c.Kind == Overdue && c.Final():
		return "preavviso-24-ore"
	case c.Kind == Overdue:
		return "preavviso-12-ore"
	case c.Reason == ReasonVirus && (c.Kind == NonAcceptance || c.Kind == NonDelivery):
		return string(c.Kind) + "-virus"
	}
	return string(c.Kind)
}

// text fills the model in. What is put in is not looked at again: a subject like "{id}" stays.
func (c CertData) text(enclosed bool) (humanText, error) {
	model, err := texts.ReadFile("texts/" + c.textName(enclosed) + ".txt")
	if err != nil {
		return humanText{}, fmt.Errorf("text of %s: %w", quote(string(c.Kind)), err)
	}
	body := fill(string(model), c.word)
	title, _, _ := strings.Cut(body, "\n")
	return humanText{title, body}, nil
}

// fill puts values in place of the {words} of a model.
func fill(model string, value func(word string) string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(model, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		word, rest, _ := strings.Cut(after, "}")
		out.WriteString(value(word))
		model = rest
	}
}

// word is the value of a {word} of the models.
func (c CertData) word(word string) string {
	switch word {
	case "giorno":
		return c.At.Format(formatDay)
	case "ora":
		return c.At.Format(formatTime)
	case "zona":
		return c.At.Format(formatZone)
	case "oggetto":
		return c.Subject
	case "mittente":
		return string(c.Sender)
	case "destinatari":
		return strings.Join(c.recipientLines(), "\n")
	case "consegna":
		return string(c.DeliveredTo)
	case "errore":
		return c.Detail
	case "id":
		return string(c.ID)
	}
	return ""
}

// recipientLines are the recipients as the text of this kind names them: with their type in an
// acceptance (norms.md 21), and only ours where we take charge (norms.md 55).
func (c CertData) recipientLines() []string {
	var lines []string
	switch c.Kind {
	case TakenInCharge:
		for _, a := range c.TakenFor {
			lines = append(lines, string(a))
		}
	case Acceptance:
		for _, r := range c.Recipients {
			lines = append(lines, fmt.Sprintf(`%s ("%s")`, r.Address, r.Type.label()))
		}
	default:
		for _, r := range c.Recipients {
			lines = append(lines, string(r.Address))
		}
	}
	if len(lines) == 0 {
		return []string{noRecipients} // an anomaly's, whose message names nobody of ours
	}
	return lines
}

func (t RecipientType) label() string {
	if t == Certified {
		return labelCertified
	}
	return labelExternal
}

// html is the same text, line by line, without references or active content (RFC 6109 4.3.1).
func (t humanText) html() string {
	var out strings.Builder
	title := escapeXML(t.title)
	out.WriteString("<html><head><title>" + title + "</title></head><body>\n<h3>" + title + "</h3>\n<hr>\n")
	_, rest, _ := strings.Cut(strings.TrimSuffix(t.body, "\n"), "\n")
	for line := range strings.SplitSeq(rest, "\n") {
		out.WriteString(escapeXML(line) + "<br>\n")
	}
	out.WriteString("</body></html>\n")
	return out.String()
}
