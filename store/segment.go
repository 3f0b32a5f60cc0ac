package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// A segment file is a header and then frames, appended only:
//
//	header  "CERALACCA-SEG 1\n"  store id (16)  segment number (8)
//	frame   version (1)  kind (1)  key id (2)  length (4)  content id (16)  CRC-32C of all the rest (4)  octets
//
// Numbers are big-endian. A group of frames ends with a mark, a frame whose octets are the store id and the group's number.
const (
	segmentMagic  = "CERALACCA-SEG 1\n"
	segmentHeader = len(segmentMagic) + 16 + 8
	frameHeader   = 28
	frameVersion  = 1
	maxFrame      = 64 << 20
	markFrame     = frameHeader + 24
	segmentLimit  = 256 << 20 // a segment that is longer is closed and the next one begun
)

// The kinds of frames.
const (
	frameContent = 1
	frameMark    = 2
)

// castagnoli is the checksum's table; hash/crc32 makes it once and uses the machine's instruction.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// frame is one frame's header.
type frame struct {
	kind   byte
	id     ID
	length int
	sum    uint32
}

func appendFrame(dst []byte, kind byte, id ID, octets []byte) []byte {
	at := len(dst)
	dst = append(dst, frameVersion, kind, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(octets)))
	dst = append(dst, id[:]...)
	sum := crc32.Update(crc32.Checksum(dst[at:], castagnoli()), castagnoli(), octets)
	dst = binary.BigEndian.AppendUint32(dst, sum)
	return append(dst, octets...)
}

func parseFrame(h []byte) (frame, error) {
	f := frame{kind: h[1], length: int(binary.BigEndian.Uint32(h[4:8])), sum: binary.BigEndian.Uint32(h[24:28])}
	copy(f.id[:], h[8:24])
	if h[0] != frameVersion || h[2] != 0 || h[3] != 0 || f.length > maxFrame {
		return f, errBadFrame
	}
	return f, nil
}

var errBadFrame = errors.New("not a frame")

// verify compares the checksum of a frame with its octets.
func (f frame) verify(header, octets []byte) bool {
	return f.sum == crc32.Update(crc32.Checksum(header[:24], castagnoli()), castagnoli(), octets)
}

// mark is a group's end.
type mark struct {
	store ID
	group int64
}

func (m mark) octets() []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), m.store[:]...), uint64(m.group))
}

func parseMark(b []byte) (mark, bool) {
	if len(b) != markFrame-frameHeader {
		return mark{}, false
	}
	m := mark{group: int64(binary.BigEndian.Uint64(b[16:]))}
	copy(m.store[:], b)
	return m, true
}

// position is a place in the segments: where the next frame goes.
type position struct {
	segment int64
	offset  int64
}

// segments are the segment files of one store. One goroutine, the writer, appends; any may read.
type segments struct {
	dir   string
	store ID
	limit int64 // segmentLimit, less in tests

	mu    sync.Mutex // guards files
	files map[int64]*os.File

	end position // the writer's own
	buf []byte   // the writer's own
}

func newSegments(data string, store ID) *segments {
	return &segments{dir: filepath.Join(data, segmentsDir), store: store, limit: segmentLimit, files: map[int64]*os.File{}}
}

func segmentName(no int64) string { return fmt.Sprintf("%08d.seg", no) }

// create begins segment no and makes it and its name durable.
func (s *segments) create(no int64) error {
	h := append([]byte(segmentMagic), s.store[:]...)
	h = binary.BigEndian.AppendUint64(h, uint64(no))
	f, err := os.OpenFile(filepath.Join(s.dir, segmentName(no)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("beginning a segment: %w", err)
	}
	if _, err := f.Write(h); err != nil {
		return errors.Join(fmt.Errorf("beginning a segment: %w", err), f.Close())
	}
	if err := errors.Join(f.Sync(), syncDir(s.dir)); err != nil {
		return errors.Join(fmt.Errorf("syncing a new segment: %w", err), f.Close())
	}
	s.mu.Lock()
	s.files[no] = f
	s.mu.Unlock()
	s.end = position{no, int64(segmentHeader)}
	return nil
}

// file opens segment no, once.
func (s *segments) file(no int64) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[no]; f != nil {
		return f, nil
	}
	f, err := os.OpenFile(filepath.Join(s.dir, segmentName(no)), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := s.checkHeader(f, no); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.files[no] = f
	return f, nil
}

func (s *segments) checkHeader(f *os.File, no int64) error {
	h := make([]byte, segmentHeader)
	if _, err := f.ReadAt(h, 0); err != nil {
		return fmt.Errorf("%s: the segment's header cannot be read: %w. Restore it from a copy", f.Name(), err)
	}
	rest := h[len(segmentMagic):]
	if string(h[:len(segmentMagic)]) != segmentMagic || binary.BigEndian.Uint64(rest[16:]) != uint64(no) {
		return fmt.Errorf("%s is not segment %d of this program's format: restore it from a copy", f.Name(), no)
	}
	if ID(rest[:16]) != s.store {
		return fmt.Errorf("%s %w (%x, the database is of %s): restore the segments and the database that belong together", f.Name(), errForeign, rest[:16], s.store)
	}
	return nil
}

var errForeign = errors.New("belongs to another store")

// append writes the contents as one marked group and syncs it. It returns the place of each content.
// After an error nothing is known of the group: the process has to end.
func (s *segments) append(group int64, contents []*Content) ([]position, error) {
	if s.end.offset >= s.limit {
		if err := s.create(s.end.segment + 1); err != nil {
			return nil, err
		}
	}
	f, err := s.file(s.end.segment)
	if err != nil {
		return nil, err
	}
	places := make([]position, len(contents))
	s.buf = s.buf[:0]
	for i, c := range contents {
		places[i] = position{s.end.segment, s.end.offset + int64(len(s.buf))}
		s.buf = appendFrame(s.buf, frameContent, c.ID, c.mem)
	}
	s.buf = appendFrame(s.buf, frameMark, ID{}, mark{s.store, group}.octets())
	if _, err := f.WriteAt(s.buf, s.end.offset); err != nil {
		return nil, fmt.Errorf("appending to %s: %w", f.Name(), err)
	}
	if err := syncData(f); err != nil {
		return nil, fmt.Errorf("syncing %s: %w", f.Name(), err)
	}
	s.end.offset += int64(len(s.buf))
	return places, nil
}

// read returns the octets of the content's frame, checked.
func (s *segments) read(at position, id ID, size int64) ([]byte, error) {
	f, err := s.file(at.segment)
	if err != nil {
		return nil, fmt.Errorf("opening a segment: %w", err)
	}
	b := make([]byte, frameHeader+size)
	if _, err := f.ReadAt(b, at.offset); err != nil {
		return nil, &DamageError{Content: id, Reason: fmt.Sprintf("segment %d at %d: %v", at.segment, at.offset, err)}
	}
	fr, err := parseFrame(b[:frameHeader])
	if err != nil || fr.id != id || int64(fr.length) != size || !fr.verify(b[:frameHeader], b[frameHeader:]) {
		return nil, &DamageError{Content: id, Reason: fmt.Sprintf("segment %d at %d: the frame's checksum or name is wrong", at.segment, at.offset)}
	}
	return b[frameHeader:], nil
}

// next reads the frame at the given place during recovery. io.EOF means that the file ends there cleanly.
func (s *segments) next(f *os.File, offset int64) (frame, []byte, error) {
	h := make([]byte, frameHeader)
	n, err := f.ReadAt(h, offset)
	if n == 0 && errors.Is(err, io.EOF) {
		return frame{}, nil, io.EOF
	}
	if n < frameHeader {
		return frame{}, nil, errBadFrame
	}
	fr, err := parseFrame(h)
	if err != nil {
		return fr, nil, err
	}
	octets := make([]byte, fr.length)
	if n, _ := f.ReadAt(octets, offset+frameHeader); n < fr.length || !fr.verify(h, octets) {
		return fr, nil, errBadFrame
	}
	return fr, octets, nil
}

// markBefore reads the mark that ends at the given place.
func (s *segments) markBefore(f *os.File, end int64) (mark, bool) {
	fr, octets, err := s.next(f, end-markFrame)
	if err != nil || fr.kind != frameMark {
		return mark{}, false
	}
	return parseMark(octets)
}

// numbers lists the segments there are, in order.
func (s *segments) numbers() ([]int64, error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var nos []int64
	for _, n := range names {
		var no int64
		if _, err := fmt.Sscanf(n.Name(), "%08d.seg", &no); err != nil || n.Name() != segmentName(no) {
			return nil, fmt.Errorf("%s does not belong into the segments' directory: move it away", filepath.Join(s.dir, n.Name()))
		}
		nos = append(nos, no)
	}
	return nos, nil // ReadDir sorts by name
}

func (s *segments) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	clear(s.files)
	return errors.Join(errs...)
}
