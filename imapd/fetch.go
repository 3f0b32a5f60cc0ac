package imapd

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

const (
	maxSections = 100 // of one FETCH
	seenBatch   = 100 // messages that are marked as seen before they are sent
)

// Fetch implements FETCH. A message that is damaged is passed over and the command fails in the end; the others are served.
func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	return s.selected("FETCH", func(v *view) error {
		if len(options.BodySection)+len(options.BinarySection)+len(options.BinarySectionSize) > maxSections {
			return no(imap.ResponseCodeLimit, "There are too many sections")
		}
		indexes, err := s.indexes(v, set)
		if err != nil {
			return err
		}
		var damage error
		for part := range slices.Chunk(indexes, seenBatch) {
			err := s.fetchPart(w, v, part, options)
			if isFatal(err) {
				return err
			}
			damage = errors.Join(damage, err)
		}
		return damage
	})
}

// isFatal tells an error that ends a command from one that is a message's own.
func isFatal(err error) bool {
	var damaged *store.DamageError
	own := errors.Is(err, errUnreadable) || errors.As(err, &damaged)
	return err != nil && (errors.Is(err, errCut) || errors.Is(err, store.ErrUnavailable) || !own)
}

func (s *session) fetchPart(w *imapserver.FetchWriter, v *view, indexes []int, options *imap.FetchOptions) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	var seen map[uint32]bool
	if marksSeen(options) && !v.readOnly && s.room() == nil {
		var err error
		if seen, err = s.markSeen(v, indexes); err != nil {
			return err
		}
	}
	var damage error
	for _, i := range indexes {
		err := s.fetchOne(w, v, i, fetchItems{options, options.Flags || seen[v.entries[i].UID]})
		if isFatal(err) {
			return err
		}
		damage = errors.Join(damage, err)
	}
	return damage
}

func marksSeen(options *imap.FetchOptions) bool {
	return slices.ContainsFunc(options.BodySection, func(i *imap.FetchItemBodySection) bool { return !i.Peek }) ||
		slices.ContainsFunc(options.BinarySection, func(i *imap.FetchItemBinarySection) bool { return !i.Peek })
}

// markSeen sets \Seen where it is missing, and tells where.
func (s *session) markSeen(v *view, indexes []int) (map[uint32]bool, error) {
	seen := map[uint32]bool{}
	var uids []uint32
	for _, i := range indexes {
		if e := v.entries[i]; !hasFlag(e.Flags, string(imap.FlagSeen)) {
			seen[e.UID] = true
			uids = append(uids, e.UID)
		}
	}
	return seen, s.setFlags(v, uids, applied(imap.StoreFlagsAdd, []string{string(imap.FlagSeen)}))
}

// fetchItems are what a client asks for, and whether the flags are to be sent.
type fetchItems struct {
	*imap.FetchOptions
	flags bool
}

// needsOctets tells whether an entry alone does not answer.
func (f fetchItems) needsOctets() bool {
	return f.Envelope || f.BodyStructure != nil || len(f.BodySection)+len(f.BinarySection)+len(f.BinarySectionSize) > 0
}

// fetchOne answers for one message. What can fail comes before the first octet of the answer, apart from the reading of what
// is streamed.
func (s *session) fetchOne(w *imapserver.FetchWriter, v *view, index int, items fetchItems) error {
	e := v.entries[index]
	var answers []func(*imapserver.FetchResponseWriter) error
	if items.needsOctets() {
		m, err := openMessage(s.ctx, s.store, e)
		if err != nil {
			return err
		}
		defer m.close() // files that were only read
		if answers, err = m.answers(items.FetchOptions); err != nil {
			return err
		}
	}
	response := w.CreateMessage(uint32(index + 1))
	writeEntry(response, e, items)
	if items.flags {
		delete(v.changed, e.UID)
	}
	for _, answer := range answers {
		if err := answer(response); err != nil {
			// A part of it is on the wire: nothing that could follow would be understood.
			s.conn.abort()
			return errors.Join(fmt.Errorf("%w: %w", errCut, err), response.Close())
		}
	}
	return response.Close()
}

func writeEntry(response *imapserver.FetchResponseWriter, e store.Entry, items fetchItems) {
	if items.UID {
		response.WriteUID(imap.UID(e.UID))
	}
	if items.flags {
		response.WriteFlags(imapFlags(e.Flags))
	}
	if items.InternalDate {
		response.WriteInternalDate(e.At.In(pec.Rome()))
	}
	if items.RFC822Size {
		response.WriteRFC822Size(e.Size)
	}
}

// answers prepares what needs the message's octets.
func (m *message) answers(options *imap.FetchOptions) ([]func(*imapserver.FetchResponseWriter) error, error) {
	described, err := m.described(options)
	if err != nil {
		return nil, err
	}
	sections, err := m.sections(options)
	return append(described, sections...), err
}

func (m *message) described(options *imap.FetchOptions) (answers []func(*imapserver.FetchResponseWriter) error, err error) {
	if options.Envelope {
		header, err := m.headerBytes(m.root)
		if err != nil {
			return nil, err
		}
		answers = append(answers, func(w *imapserver.FetchResponseWriter) error {
			w.WriteEnvelope(envelope(header))
			return nil
		})
	}
	if options.BodyStructure != nil {
		structure, err := m.bodyStructure(m.root)
		if err != nil {
			return nil, err
		}
		answers = append(answers, func(w *imapserver.FetchResponseWriter) error {
			w.WriteBodyStructure(structure)
			return nil
		})
	}
	return answers, nil
}

func (m *message) sections(options *imap.FetchOptions) (answers []func(*imapserver.FetchResponseWriter) error, err error) {
	for _, item := range options.BodySection {
		answers = append(answers, func(w *imapserver.FetchResponseWriter) error {
			p, err := m.section(item) // now, because chosen fields are in memory
			if err != nil {
				return err
			}
			return stream(w.WriteBodySection(item, p.size), p)
		})
	}
	for _, item := range options.BinarySection {
		p, err := m.binary(item.Part, item.Partial)
		if err != nil {
			return nil, err
		}
		answers = append(answers, func(w *imapserver.FetchResponseWriter) error {
			return stream(w.WriteBinarySection(item, p.size), p)
		})
	}
	for _, item := range options.BinarySectionSize {
		p, err := m.binary(item.Part, nil)
		if err != nil {
			return nil, err
		}
		answers = append(answers, func(w *imapserver.FetchResponseWriter) error {
			w.WriteBinarySectionSize(item, uint32(p.size))
			return nil
		})
	}
	return answers, nil
}

// stream sends a piece as the literal that was begun for it.
func stream(literal io.WriteCloser, p piece) error {
	source := &sourceReader{Reader: p}
	_, err := io.Copy(literal, source)
	return errors.Join(source.err, err, literal.Close())
}

// sourceReader tells octets that cannot be read from a client that does not take them.
type sourceReader struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return n, err
}
