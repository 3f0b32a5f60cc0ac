package evidence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// page is a report as people read it, in one language; the templates put it on a terminal or into a browser.
type page struct {
	Lang                        Language
	Title, Made, Verdict, Class string
	Meaning, Summary            string
	Wrapped, PassedOver         string
	Basis                       []line
	Stories                     []storyView
	Messages                    []messageView
	Unread                      []line
	General                     []string
	headings                    texts
	numbers                     map[string]int // of messages, by name, for links
}

// line is a label and what it says.
type line struct{ Label, Text string }

// ref leads to a message of the page.
type ref struct {
	Name   string
	Number int
}

type messageView struct {
	ref
	Verdict, Class, Title string
	Why                   []string
	Claimed               string // that what follows is not proven; "" if it is
	Lines                 []line
	NotShown              []string
}

type storyView struct {
	Title, Subject               string
	Remarks                      []string
	Recipients                   []recipientView
	Events                       []eventView
	Missing, Problems, Originals []string
}

type recipientView struct {
	Address, State, Class, At, Detail string
	Evidence                          []ref
}

type eventView struct {
	At, Text, Verdict, Class string
	Evidence                 ref
}

// view is the report in a language.
func (r *Report) view(l Language) (*page, error) {
	t, err := load(l)
	if err != nil {
		return nil, err
	}
	p := &page{
		Lang: l, headings: t, numbers: map[string]int{}, Title: t.say("title"), Made: t.say("made") + " " + t.instant(&r.Made),
		Verdict: t.say("verdict." + string(r.Verdict)), Class: string(r.Verdict), Meaning: t.say("means." + string(r.Verdict)),
		Summary: t.say("summary", len(r.Messages)-r.Wrapped, r.Counts[Valid], r.Counts[Invalid], r.Counts[Unknown], r.Counts[Ordinary]),
		Basis:   t.basis(r.Basis), General: []string{t.say("general.1"), t.say("general.2"), t.say("general.3")},
	}
	if r.PassedOver > 0 {
		p.PassedOver = t.say("passed", r.PassedOver)
	}
	if r.Wrapped > 0 {
		p.Wrapped = t.say("wrapped", r.Wrapped)
	}
	for n, i := range r.Messages {
		p.numbers[i.Name] = n + 1
		p.Messages = append(p.Messages, t.message(i, n+1))
	}
	for _, s := range r.Stories {
		p.Stories = append(p.Stories, p.story(s))
	}
	for _, u := range r.Unread {
		p.Unread = append(p.Unread, line{tidy(u.Name), fmt.Sprintf("%s [%s: %s]", t.say("unread."+string(u.Code)), u.Code, u.Why)})
	}
	return p, nil
}

// Heading is the text of a heading, for the templates.
func (p *page) Heading(name string) string { return p.headings.say("heading." + name) }

// Label is the text of a label, for the templates.
func (p *page) Label(name string) string { return p.headings.say("label." + name) }

func (p *page) ref(name string) ref { return ref{tidy(name), p.numbers[name]} }

func (t texts) basis(b Basis) (lines []line) {
	for _, c := range b.Anchors {
		lines = append(lines, line{t.say("label.anchors"), t.certificate(c) + "; SHA-256 " + c.SHA256})
	}
	if len(b.Anchors) == 0 {
		lines = append(lines, line{t.say("label.anchors"), t.say("anchors.none")})
	}
	for _, at := range b.Directories {
		lines = append(lines, line{t.say("label.directories"), t.instant(&at)})
	}
	if len(b.Directories) == 0 {
		lines = append(lines, line{t.say("label.directories"), t.say("none")})
	}
	given := t.say("revocations.none")
	if len(b.Revocation) > 0 {
		given = names(b.Revocation)
	}
	return append(lines, line{t.say("label.revocations"), given}, line{t.say("label.sha1"), t.say("sha1.until", b.SHA1Until.Format("02/01/2006"))})
}

func (t texts) certificate(c Certificate) string {
	return t.say("certificate", tidy(c.Subject), tidy(c.Issuer), c.Serial, c.From.Format("02/01/2006"), c.Until.Format("02/01/2006"))
}

// title is what a message is.
func (t texts) title(i *Item) string {
	switch {
	case i.Verdict == Ordinary:
		return t.say("kind.ordinary")
	case i.Kind == "":
		return t.say("kind.unnamed")
	case i.final:
		return t.say("kind.last")
	}
	title := t.first("kind."+string(i.Kind), "kind.")
	if i.Kind == pec.Delivered && i.ReceiptType != "" {
		title += " " + t.first("type."+string(i.ReceiptType), "type.")
	}
	return title
}

func (t texts) message(i *Item, number int) messageView {
	v := messageView{ref: ref{tidy(i.Name), number}, Verdict: t.say("verdict." + string(i.Verdict)), Class: string(i.Verdict), Title: t.title(i)}
	for _, r := range i.Reasons {
		v.Why = append(v.Why, fmt.Sprintf("%s [%s: %s]", t.say("reason."+string(r.Code)), r.Code, tidy(r.Detail)))
	}
	switch {
	case i.Verdict == Invalid || i.Verdict == Unknown:
		v.Claimed = t.say("claimed")
	case i.Verdict == Ordinary || i.Kind == pec.Anomaly:
		v.Claimed = t.say("claimed.header")
	}
	v.Lines = append(t.told(i), t.shown(i)...)
	for _, l := range i.NotShown {
		v.NotShown = append(v.NotShown, t.say("limit."+string(l)))
	}
	return v
}

// told is what the message says.
func (t texts) told(i *Item) (lines []line) {
	add := func(label string, texts ...string) {
		for n, text := range texts {
			texts[n] = tidy(text)
		}
		if all := names(texts); all != "" {
			lines = append(lines, line{t.say("label." + label), all})
		}
	}
	add("parent", i.Parent)
	add("provider", i.Provider)
	if i.At != nil {
		add("at", t.instant(i.At))
	}
	add("sender", i.Sender)
	var to []string
	for _, r := range i.Recipients {
		to = append(to, r.Address)
	}
	add("recipients", to...)
	add("about", slices.Clone(i.About)...)
	add("subject", i.Subject)
	add("identifier", string(i.ID))
	add("client", i.ClientID)
	if i.Error != "" && i.Error != pec.ReasonNone {
		add("error", strings.TrimSuffix(string(i.Error)+": "+i.Detail, ": "))
	}
	return lines
}

// shown is what the message's octets and signature are, and what the verdict rests on.
func (t texts) shown(i *Item) (lines []line) {
	add := func(label, text string) { lines = append(lines, line{t.say("label." + label), text}) }
	if s := i.Signature; s != nil {
		text := t.say("signature.untimed", s.Digest, s.Signed)
		if s.At != nil {
			text = t.say("signature", s.Digest, t.instant(s.At), s.Signed)
		}
		if len(s.Weak) > 0 {
			var weak []string
			for _, w := range s.Weak {
				weak = append(weak, t.say("weak."+string(w)))
			}
			text += "; " + t.say("signature.weak", names(weak))
		}
		add("signature", text)
		add("signer", t.certificate(s.Signer))
		add("path", t.path(s.Path))
	}
	if i.Directory != nil {
		add("directory", t.directory(i.Directory))
	}
	if i.Revocation != nil {
		add("revocation", t.revocation(i.Revocation))
	}
	for _, n := range i.Notes {
		add("note", fmt.Sprintf("%s [%s]", t.say("reason."+string(n.Code)), tidy(n.Detail)))
	}
	for _, how := range i.How {
		add("read", t.say("how."+string(how)))
	}
	add("file", "SHA-256 "+i.SHA256)
	return lines
}

func (t texts) path(path []Certificate) string {
	if len(path) == 0 {
		return t.say("path.none")
	}
	var subjects []string
	for _, c := range path {
		subjects = append(subjects, tidy(c.Subject))
	}
	return strings.Join(subjects, " < ")
}

func (t texts) directory(d *InForce) string {
	key := "directory.other"
	if d.ThatDay {
		key = "directory.that-day"
	}
	if d.Provider == "" {
		key += ".none"
	}
	return t.say(key, t.instant(&d.SignedAt), tidy(d.Provider))
}

func (t texts) revocation(r *Revocation) string {
	switch {
	case r.State == "revoked":
		return t.say("revocation.revoked", t.instant(r.At), r.Reason)
	case r.State == "unknown":
		return t.say("revocation.unknown", tidy(r.Why))
	case r.Later:
		return t.say("revocation.later", t.source(r), t.instant(r.AsOf))
	}
	return t.say("revocation.good", t.source(r), t.instant(r.AsOf))
}

// source is "CRL of somebody".
func (t texts) source(r *Revocation) string {
	return strings.Replace(tidy(r.Source), " of ", " "+t.say("source.of")+" ", 1)
}

// longest is how much of one foreign text is shown, in characters.
const longest = 200

// tidy is foreign text on one line, without room for what might pass for a line of ours.
func tidy(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return s
}
