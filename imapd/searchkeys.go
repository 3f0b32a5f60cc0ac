package imapd

import (
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// candidate is a message that is being compared with search keys. Its octets are opened when a key asks for them.
type candidate struct {
	session *session
	entry   store.Entry
	index   int
	view    *view

	message *message
	header  []byte
}

// isFound tells whether one message has all the keys.
func (s *session) isFound(v *view, index int, criteria *imap.SearchCriteria) (bool, error) {
	c := &candidate{session: s, entry: v.entries[index], index: index, view: v}
	defer c.close()
	return c.matches(criteria)
}

func (c *candidate) close() {
	if c.message != nil {
		c.message.close()
	}
}

// matches asks the cheap questions first.
func (c *candidate) matches(k *imap.SearchCriteria) (bool, error) {
	if !c.matchesEntry(k) {
		return false, nil
	}
	for i := range k.Not {
		if is, err := c.matches(&k.Not[i]); is || err != nil {
			return false, err
		}
	}
	for i := range k.Or {
		if is, err := c.matchesEither(&k.Or[i]); !is || err != nil {
			return false, err
		}
	}
	if is, err := c.matchesHeader(k); !is || err != nil {
		return false, err
	}
	return c.matchesText(k)
}

func (c *candidate) matchesEither(k *[2]imap.SearchCriteria) (bool, error) {
	if is, err := c.matches(&k[0]); is || err != nil {
		return is, err
	}
	return c.matches(&k[1])
}

func (c *candidate) matchesEntry(k *imap.SearchCriteria) bool {
	lacks := func(f imap.Flag) bool { return !hasFlag(c.entry.Flags, string(f)) }
	has := func(f imap.Flag) bool { return hasFlag(c.entry.Flags, string(f)) }
	switch {
	case slices.ContainsFunc(k.Flag, lacks), slices.ContainsFunc(k.NotFlag, has):
		return false
	case k.Larger != 0 && c.entry.Size <= k.Larger, k.Smaller != 0 && c.entry.Size >= k.Smaller:
		return false
	case !within(c.entry.At.In(pec.Rome()), k.Since, k.Before):
		return false
	}
	return c.matchesNumbers(k)
}

func (c *candidate) matchesNumbers(k *imap.SearchCriteria) bool {
	seq, last := uint32(c.index+1), uint32(len(c.view.entries))
	for _, set := range k.SeqNum {
		if !set.Contains(seq) && !(seq == last && set.Dynamic()) {
			return false
		}
	}
	for _, set := range k.UID {
		if imap.IsSearchRes(set) {
			if !slices.Contains(c.session.saved, c.entry.UID) {
				return false
			}
		} else if !set.Contains(imap.UID(c.entry.UID)) && !(seq == last && set.Dynamic()) {
			return false
		}
	}
	return true
}

// within compares days, whatever the hour and the zone (RFC 9051 6.4.4).
func within(at, since, before time.Time) bool {
	day := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

// open reads the message's structure and header.
func (c *candidate) open() error {
	if c.message != nil {
		return nil
	}
	m, err := openMessage(c.session.ctx, c.session.store, c.entry)
	if err != nil {
		return err
	}
	c.message = m
	c.header, err = m.headerBytes(m.root)
	return err
}

func (c *candidate) matchesHeader(k *imap.SearchCriteria) (bool, error) {
	sent := !k.SentSince.IsZero() || !k.SentBefore.IsZero()
	if len(k.Header) == 0 && !sent {
		return true, nil
	}
	if err := c.open(); err != nil {
		return false, err
	}
	if sent {
		date, err := mail.ParseDate(fieldOf(c.header, "Date"))
		if err != nil || !within(date, k.SentSince, k.SentBefore) {
			return false, nil
		}
	}
	lacks := func(h imap.SearchCriteriaHeaderField) bool { return !hasField(c.header, h.Key, h.Value) }
	return !slices.ContainsFunc(k.Header, lacks), nil
}

// hasField tells whether some field of this name holds the text, decoded; an empty text is in every one.
func hasField(header []byte, name, text string) bool {
	found := false
	eachField(header, func(field string, raw []byte) {
		if found || !strings.EqualFold(field, name) {
			return
		}
		f := newFinder([]string{text})
		f.feedField(raw)
		found = f.missing == 0
	})
	return found
}

// matchesText reads the message once for all its texts.
func (c *candidate) matchesText(k *imap.SearchCriteria) (bool, error) {
	if len(k.Body)+len(k.Text) == 0 {
		return true, nil
	}
	if err := c.open(); err != nil {
		return false, err
	}
	body, text := newFinder(k.Body), newFinder(k.Text)
	eachField(c.header, func(_ string, raw []byte) { text.feedField(raw) })
	err := c.message.feedBody(body, text)
	return body.missing == 0 && text.missing == 0, err
}
