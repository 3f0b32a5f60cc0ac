package imapd

import "github.com/emersion/go-imap/v2"

// indexes are the places in the view that a client's set of numbers names, in order. UIDs that are not there are passed
// over; a sequence number beyond the last is the client's error (RFC 9051 9, "seq-number"), except for "*" in an empty folder.
func (s *session) indexes(v *view, set imap.NumSet) ([]int, error) {
	chosen := make([]bool, len(v.entries))
	choose := func(from, to int) {
		for i := from; i < to; i++ {
			chosen[i] = true
		}
	}
	switch set := set.(type) {
	case imap.SeqSet:
		for _, r := range set {
			first, last := ordered(r.Start, r.Stop, uint32(len(v.entries)))
			if int(last) > len(v.entries) {
				return nil, bad("There is no message with such a number")
			}
			choose(max(int(first), 1)-1, int(last))
		}
	case imap.UIDSet:
		for _, r := range s.savedOr(set) {
			choose(v.between(ordered(uint32(r.Start), uint32(r.Stop), v.lastAnnounced())))
		}
	}
	var indexes []int
	for i, is := range chosen {
		if is {
			indexes = append(indexes, i)
		}
	}
	return indexes, nil
}

// savedOr puts the saved result in the place of "$" (RFC 9051 6.4.4.1).
func (s *session) savedOr(set imap.UIDSet) imap.UIDSet {
	if !imap.IsSearchRes(set) {
		return set
	}
	return uidSet(s.saved)
}

// ordered is a range with "*", which is 0, put in place, the lower end first.
func ordered(start, stop, last uint32) (uint32, uint32) {
	if start == 0 {
		start = last
	}
	if stop == 0 {
		stop = last
	}
	return min(start, stop), max(start, stop)
}

// between gives the indexes of the entries whose UIDs are in a range: from the first, up to but without the second.
func (v *view) between(first, last uint32) (int, int) {
	from, _ := v.find(first)
	to, found := v.find(last)
	if found {
		to++
	}
	return from, to
}

func (v *view) lastAnnounced() uint32 {
	if len(v.entries) == 0 {
		return 0
	}
	return v.entries[len(v.entries)-1].UID
}

// uids are those of the entries at the indexes.
func (v *view) uids(indexes []int) []uint32 {
	uids := make([]uint32, len(indexes))
	for i, index := range indexes {
		uids[i] = v.entries[index].UID
	}
	return uids
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set
}
