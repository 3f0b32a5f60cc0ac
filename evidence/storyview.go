package evidence

import (
	"crypto"

	"github.com/ceralacca/ceralacca/pec"
)

// story is a story in the page's language.
func (p *page) story(s *Story) storyView {
	t := p.headings
	v := storyView{Title: t.say("story", tidy(string(s.ID)), tidy(s.Sender)), Subject: tidy(s.Subject)}
	if !s.Proven {
		v.Remarks = append(v.Remarks, t.say("story.unproven"))
	}
	if s.Refused {
		v.Remarks = append(v.Remarks, t.say("story.refused"))
	}
	for _, r := range s.Recipients {
		v.Recipients = append(v.Recipients, p.recipient(s, r))
	}
	for n, e := range s.Events {
		v.Events = append(v.Events, p.event(s.items[n], e))
	}
	for _, m := range s.Missing {
		v.Missing = append(v.Missing, t.say("missing."+string(m.Kind), m.Recipient))
	}
	for _, o := range s.Problems {
		v.Problems = append(v.Problems, t.say("odd."+string(o.Code), tidy(names(o.Messages)), tidy(o.Recipient)))
	}
	for _, c := range s.Originals {
		v.Originals = append(v.Originals, t.comparison(c)...)
	}
	return v
}

func (p *page) recipient(s *Story, r *Recipient) recipientView {
	v := recipientView{Address: tidy(r.Address), State: p.headings.say("state." + string(r.State)), Class: string(r.State), Detail: tidy(r.Detail)}
	if !s.Proven && r.State != StateNothing {
		v.State, v.Class = v.State+" "+p.headings.say("state.unproven"), "unproven"
	}
	if r.At != nil {
		v.At = p.headings.instant(r.At)
	}
	for _, name := range r.Messages {
		v.Evidence = append(v.Evidence, p.ref(name))
	}
	return v
}

func (p *page) event(i *Item, e Event) eventView {
	t := p.headings
	key := "event." + string(e.Kind)
	if e.Final && e.Kind == pec.Overdue {
		key = "event.last"
	}
	v := eventView{Text: t.say(key, tidy(i.Provider), tidy(names(e.About))), Verdict: t.say("verdict." + string(e.Verdict)), Class: string(e.Verdict), Evidence: p.ref(e.Message)}
	if _, ok := t[key]; !ok {
		v.Text = t.say("event.", tidy(i.Provider))
	}
	if e.At != nil {
		v.At = t.instant(e.At)
	}
	if !e.Counted {
		v.Text = t.say("event.claimed", v.Text)
	}
	return v
}

func (t texts) comparison(c Comparison) (lines []string) {
	key := "original.differs"
	switch {
	case c.Same && c.ByHash:
		key = "original.same.hash"
	case c.Same:
		key = "original.same"
	}
	lines = append(lines, t.say(key, tidy(c.Message), tidy(c.Given)))
	if len(c.Fields) > 0 {
		lines = append(lines, t.say("original.fields", names(c.Fields)))
	}
	weak := false
	for _, part := range c.Parts {
		lines = append(lines, t.say("part."+string(part.State), part.Path, tidy(part.Name), part.Hash))
		weak = weak || part.Hash == crypto.SHA1.String()
	}
	if weak {
		lines = append(lines, t.say("original.weak"))
	}
	return lines
}
