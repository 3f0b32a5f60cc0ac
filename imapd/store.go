package imapd

import (
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/ceralacca/ceralacca/store"
)

const (
	maxBatch    = 500 // messages that one commit changes; a client sees no difference
	maxAttempts = 5   // to change flags that others change too
)

// Store implements STORE.
func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, _ *imap.StoreOptions) error {
	return s.writable("STORE", func(v *view) error {
		given, err := givenFlags(flags.Flags)
		if err != nil {
			return err
		}
		if flags.Op != imap.StoreFlagsDel {
			if err := checkKeywords(v.usedKeywords(), given); err != nil {
				return err
			}
		}
		indexes, err := s.indexes(v, set)
		if err != nil {
			return err
		}
		change := applied(flags.Op, given)
		expected := v.expect(indexes, change)
		if err := s.setFlags(v, v.uids(indexes), change); err != nil {
			return err
		}
		return v.writeFlags(w, indexes, func(i int) bool {
			want, known := expected[i]
			return !flags.Silent || !known || !slices.Equal(want, v.entries[i].Flags)
		})
	})
}

// expect is what a client thinks that its STORE does, by index: what a silent one need not be told (RFC 9051 6.4.6). Where
// others changed the flags and it does not know yet, nothing is expected.
func (v *view) expect(indexes []int, change func([]string) []string) map[int][]string {
	expected := make(map[int][]string, len(indexes))
	for _, i := range indexes {
		if !v.changed[v.entries[i].UID] {
			expected[i] = change(v.entries[i].Flags)
		}
	}
	return expected
}

// setFlags changes flags in the store and in the view.
func (s *session) setFlags(v *view, uids []uint32, change func([]string) []string) error {
	for part := range slices.Chunk(uids, maxBatch) {
		var err error
		for range maxAttempts {
			if err = s.store.SetFlags(s.ctx, v.folder.ID, part, change); !errors.Is(err, store.ErrConflict) {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return v.refresh(s.ctx)
}

// writeFlags sends the flags of those messages that are wanted; what is sent, or is known without, need not be told again.
func (v *view) writeFlags(w *imapserver.FetchWriter, indexes []int, wanted func(index int) bool) error {
	for _, i := range indexes {
		e := v.entries[i]
		delete(v.changed, e.UID)
		if !wanted(i) {
			continue
		}
		response := w.CreateMessage(uint32(i + 1))
		response.WriteUID(imap.UID(e.UID))
		response.WriteFlags(imapFlags(e.Flags))
		if err := response.Close(); err != nil {
			return err
		}
	}
	return nil
}
