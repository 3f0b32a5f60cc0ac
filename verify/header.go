package verify

import (
	"fmt"
	"html"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// clockSkew is how far the times that one message names may lie apart: engines differ by seconds (quirks.md C19).
const clockSkew = 10 * time.Minute

// checkHeader compares what people see of a kept message, its header, with the certification data beyond what providers ask
// of each other: the reference by which programs match receipts, the subject, and the one that a receipt is for. Nobody signed
// the header, and where it is another message's the whole must not pass (attacks.md 14, quirks.md B1). It is lenient with what
// engines, lists and filters do to a subject (quirks.md B10 to B13, C20).
func (r *Result) checkHeader() *Fault {
	m := r.Message
	said, sent := pec.BareID(m.Header.Get(pec.HeaderReference)), pec.BareID(string(m.Data.ClientID))
	if said != "" && sent != "" && said != sent {
		return fails(Form, OtherClient, "the header refers to %q, the certification data to %q", brief(said), brief(sent))
	}
	if subject := pec.DecodeWords(m.Header.Get("Subject")); !tells(subject, m.Data.Subject) && !tells(subject, readable(m.Data.Subject)) {
		return fails(Form, OtherSubject, "the header's subject is %q, the certified one %q", brief(subject), brief(m.Data.Subject))
	}
	if named := r.behalf(); named != "" {
		return fails(Form, OtherSender, "the header is on behalf of %s, the certified sender is %s", named, m.Data.Sender)
	}
	if to := m.Header.Get("To"); m.Data.Kind.Receipt() && m.Data.Kind.ForUser() && !addressed(to, m.Data.Sender) {
		return fails(Form, OtherPerson, "the receipt is for %s, its header for %q", m.Data.Sender, brief(to))
	}
	return nil
}

// checkRepeated refuses a header in which readers may see one thing or the other.
func (r *Result) checkRepeated() *Fault {
	names := []string{"Subject", "Message-ID", pec.HeaderReference}
	if r.Message.Data.Kind.Receipt() { // an envelope has those of its original
		names = append(names, "To")
	}
	for _, name := range names {
		if n := len(r.Message.Header.Values(name)); n > 1 {
			return fails(Form, Repeated, "there are %d %s fields", n, name)
		}
	}
	return nil
}

// readable is a certified subject whose engine left in it what it should have decoded.
func readable(subject string) string { return html.UnescapeString(pec.DecodeWords(subject)) }

// tells reports whether a header's subject holds the certified one, or enough of the start of it. Letters that engines lose do not
// count, and accents may be written behind the letter or not at all.
func tells(subject, certified string) bool {
	if essence(unaccented(certified)) == "" { // of other scripts nothing may be left but question marks (quirks.md B11)
		rest := strings.TrimSpace(withoutPrefix(subject))
		return strings.Contains(subject, strings.TrimSpace(certified)) || essence(rest) == "" && strings.Contains(rest, "?")
	}
	return begins(essence(subject), essence(certified)) || begins(essence(unaccented(subject)), essence(unaccented(certified)))
}

func begins(said, want string) bool {
	const enough = 20
	if strings.Contains(said, want) {
		return true
	}
	i := strings.Index(said, want[:min(enough, len(want))])
	return i >= 0 && strings.HasPrefix(want, said[i:])
}

// behalf is an address that an envelope's From shows anywhere and that is neither the certified sender nor its author (norms.md 26);
// "" if there is none. Escapes, brackets and comments hide none, and an apostrophe may be a part of it.
func (r *Result) behalf() pec.Address {
	if r.Message.Data.Kind != pec.Transport {
		return ""
	}
	shown := strings.ReplaceAll(pec.DecodeWords(r.Message.Header.Get("From")), `\`, "")
	apart := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"():;,<>[]", c) }
	for _, word := range strings.FieldsFunc(shown, apart) {
		if r.speaksFor(pec.Address(word)) {
			continue
		}
		if a, err := pec.ParseAddress(strings.Trim(word, "'.")); err == nil && !r.speaksFor(a) {
			return a
		}
	}
	return ""
}

func (r *Result) speaksFor(a pec.Address) bool {
	signer := pec.Address(smime.Email(r.Signature.Certificate))
	return a.Key() == r.Message.Data.Sender.Key() || a.Key() == signer.Key()
}

// withoutPrefix is a subject without the prefixes of certified mail and the tags of lists and filters in front of it.
func withoutPrefix(subject string) string {
	for {
		rest := strings.TrimSpace(subject)
		if _, after, tagged := strings.Cut(rest, "]"); tagged && strings.HasPrefix(rest, "[") {
			rest = after
		}
		rest, _ = pec.CutSubjectPrefix(rest)
		if rest == subject {
			return rest
		}
		subject = rest
	}
}

// brief is foreign text that is not told at length.
func brief(s string) string {
	const enough = 120
	if runes := []rune(s); len(runes) > enough {
		return string(runes[:enough]) + "..."
	}
	return s
}

// unaccented has the plain letters of Western European languages.
func unaccented(s string) string {
	return strings.NewReplacer(
		"à", "a", "á", "a", "â", "a", "ä", "a", "è", "e", "é", "e", "ê", "e", "ë", "e", "ì", "i", "í", "i", "î", "i", "ï", "i",
		"ò", "o", "ó", "o", "ô", "o", "ö", "o", "ù", "u", "ú", "u", "û", "u", "ü", "u", "ç", "c", "ñ", "n", "ß", "ss", "ﬁ", "fi", "ﬂ", "fl",
	).Replace(strings.ToLower(s))
}

func essence(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, s)
}

// addressed reports whether a To names an address, or cannot be read (quirks.md B14).
func addressed(to string, a pec.Address) bool {
	list, err := mail.ParseAddressList(to)
	if err != nil || len(list) == 0 {
		return true
	}
	for _, one := range list {
		if pec.Address(one.Address).Key() == a.Key() {
			return true
		}
	}
	return false
}

// farApart is how far the signing time may lie from the certified one before the latter is in doubt: one of them is untrue.
const farApart = 24 * time.Hour

func (r *Result) checkTimes() {
	signed, said := r.Signature.SigningTime, r.Message.Data.At
	if !signed.IsZero() && signed.Sub(said).Abs() > farApart {
		r.doubt(Form, OtherTime, fmt.Sprintf("it was signed at %s, the certified time is %s", signed.Format(time.RFC3339), said.Format(time.RFC3339)))
	}
}

// Note is something odd that decides nothing.
type Note struct {
	Reason Reason
	What   string
}

// Notes are what a reader should know of a message that passed: times that lie apart, and an original that speaks of another sender
// or of another message than the certification data.
func (r *Result) Notes() (notes []Note) {
	m := r.Message
	add := func(reason Reason, format string, args ...any) {
		notes = append(notes, Note{reason, fmt.Sprintf(format, args...)})
	}
	if r.Fault != nil || !m.HasData {
		return nil
	}
	if at := r.Signature.SigningTime; !at.IsZero() && apart(at, m.Data.At) {
		add(OtherTime, "it was signed at %s, the certified time is %s", at.Format(time.RFC3339), m.Data.At.Format(time.RFC3339))
	}
	if date, err := mail.ParseDate(m.Header.Get("Date")); err == nil && apart(date, m.Data.At) {
		add(OtherTime, "the header's date is %s, the certified time is %s", date.Format(time.RFC3339), m.Data.At.Format(time.RFC3339))
	}
	if r.encoded {
		add(Encoded, "the enclosed message is encoded and was not looked into")
	}
	if rest := withoutPrefix(pec.DecodeWords(m.Header.Get("Subject"))); len(essence(unaccented(rest))) > len(essence(unaccented(readable(m.Data.Subject)))) {
		add(OtherSubject, "the header's subject says more than the certified one: %q", brief(rest))
	}
	if m.Original == nil || len(m.Original.Children) == 0 {
		return notes
	}
	for _, name := range []string{"To", "Cc", "Reply-To"} { // an envelope has those of its original (RFC 6109 3.1.5)
		said, want := m.Header.Get(name), m.Original.Children[0].Field(name)
		if m.Data.Kind == pec.Transport && (name != "Reply-To" || want != "") && !sameWords(said, want) {
			add(OtherPerson, "the header's %s is %q, that of the enclosed message %q", name, brief(said), brief(want))
		}
	}
	inner := m.Original.Children[0]
	if from, err := mail.ParseAddress(inner.Field("From")); err == nil && pec.Address(from.Address).Key() != m.Data.Sender.Key() {
		add(OtherSender, "the enclosed message is from %s, the certified sender is %s", from.Address, m.Data.Sender)
	}
	if id := pec.BareID(inner.Field("Message-ID")); id != string(m.Data.ID) {
		add(OtherID, "the enclosed message is %q, not %q", id, m.Data.ID)
	}
	return notes
}

func sameWords(a, b string) bool {
	return slices.Equal(strings.Fields(pec.DecodeWords(a)), strings.Fields(pec.DecodeWords(b)))
}

func apart(a, b time.Time) bool { return a.Sub(b).Abs() > clockSkew }
