package imapd

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

const (
	maxSearchDepth = 20   // of NOT and OR
	maxSearchKeys  = 1000 // that need an entry only
	maxTextKeys    = 20   // that need a message's octets
)

// Search implements SEARCH with ESEARCH and SEARCHRES.
func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, options *imap.SearchOptions) (data *imap.SearchData, err error) {
	return data, s.selected("SEARCH", func(v *view) error {
		if err := checkSearch(criteria); err != nil {
			return err
		}
		var found []int
		for i := range v.entries {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			is, err := s.isFound(v, i, criteria)
			if isFatal(err) {
				return err
			}
			_ = s.answer("SEARCH", err) // a damaged message is logged and not found; the others are
			if is {
				found = append(found, i)
			}
		}
		data = v.searchData(kind, found)
		if options.ReturnSave {
			s.saved = v.uids(savedOf(found, options))
		}
		return nil
	})
}

func (v *view) searchData(kind imapserver.NumKind, found []int) *imap.SearchData {
	number := func(i int) uint32 {
		if kind == imapserver.NumKindUID {
			return v.entries[i].UID
		}
		return uint32(i + 1)
	}
	var seqs imap.SeqSet
	for _, i := range found {
		seqs.AddNum(number(i))
	}
	data := &imap.SearchData{All: seqs, Count: uint32(len(found))}
	if kind == imapserver.NumKindUID {
		data.All = uidSet(v.uids(found))
	}
	if len(found) > 0 {
		data.Min, data.Max = number(found[0]), number(found[len(found)-1])
	}
	return data
}

// savedOf is what SAVE keeps: with MIN or MAX alone only those (RFC 9051 6.4.4.1).
func savedOf(found []int, options *imap.SearchOptions) []int {
	if len(found) == 0 || options.ReturnAll || options.ReturnCount || !options.ReturnMin && !options.ReturnMax {
		return found
	}
	var saved []int
	if options.ReturnMin {
		saved = append(saved, found[0])
	}
	if last := found[len(found)-1]; options.ReturnMax && (len(saved) == 0 || saved[0] != last) {
		saved = append(saved, last)
	}
	return saved
}

// checkSearch bounds what one search may ask of us (attacks.md 27).
func checkSearch(criteria *imap.SearchCriteria) error {
	var keys, texts int
	if depth := weigh(criteria, &keys, &texts); depth > maxSearchDepth {
		return no(imap.ResponseCodeLimit, "The search is nested too deeply")
	}
	if keys > maxSearchKeys || texts > maxTextKeys {
		return no(imap.ResponseCodeLimit, "The search has too many keys")
	}
	return nil
}

// weigh counts keys and gives the depth, which stops growing past the bound.
func weigh(c *imap.SearchCriteria, keys, texts *int) int {
	*keys += 1 + len(c.SeqNum) + len(c.UID) + len(c.Flag) + len(c.NotFlag)
	*texts += len(c.Header) + len(c.Body) + len(c.Text)
	if !c.SentSince.IsZero() || !c.SentBefore.IsZero() {
		*texts++
	}
	depth := 0
	for i := range c.Not {
		depth = max(depth, weigh(&c.Not[i], keys, texts))
	}
	for i := range c.Or {
		depth = max(depth, weigh(&c.Or[i][0], keys, texts), weigh(&c.Or[i][1], keys, texts))
	}
	return depth + 1
}
