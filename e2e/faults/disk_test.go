package faults

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// sector is what a disk writes whole.
const sector = 512

// disk is what is found after a cut of the power: octets and names by file.
type disk struct {
	octets map[*file][]byte
	names  map[*file]map[string]*file // of directories, by whole path
	lost   int                        // changes that are not there, or not whole
}

// cut is a disk after the power went at that moment. What was durable is there. Of the rest, what was begun is there with a
// probability, each change for itself; but the last write of it is torn between two sectors.
func (h *history) cut(at place, kept float64, random *rand.Rand) *disk {
	d := &disk{octets: map[*file][]byte{}, names: map[*file]map[string]*file{}}
	torn := h.lastWriteUnderWay(at)
	for _, ch := range h.changes {
		octets := ch.octets
		switch {
		case ch.begun >= at:
			continue
		case ch.durable < at:
		case random.Float64() >= kept:
			d.lost++
			continue
		case ch == torn:
			d.lost++
			octets = tear(ch, random)
		}
		d.apply(ch, octets)
	}
	return d
}

func (h *history) lastWriteUnderWay(at place) (last *change) {
	for _, ch := range h.changes {
		if ch.octets != nil && ch.begun < at && ch.durable >= at && (last == nil || ch.begun > last.begun) {
			last = ch
		}
	}
	return last
}

// tear keeps the octets of a write up to a sector's end.
func tear(ch *change, random *rand.Rand) []byte {
	first := sector - ch.offset%sector // the octets up to the first end of a sector
	ends := (int64(len(ch.octets)) - first + sector - 1) / sector
	if ends <= 0 {
		return nil
	}
	return ch.octets[:first+sector*random.Int64N(ends)]
}

func (d *disk) apply(ch *change, octets []byte) {
	switch {
	case ch.added != nil || ch.removed != "":
		d.rename(ch)
	case ch.cut:
		d.octets[ch.of] = resize(d.octets[ch.of], ch.offset)
	case len(octets) > 0:
		end := ch.offset + int64(len(octets))
		content := resize(d.octets[ch.of], max(end, int64(len(d.octets[ch.of]))))
		copy(content[ch.offset:], octets)
		d.octets[ch.of] = content
	}
}

// resize cuts b or adds zeros.
func resize(b []byte, size int64) []byte {
	if more := size - int64(len(b)); more > 0 {
		return append(b, make([]byte, more)...)
	}
	return b[:size]
}

func (d *disk) rename(ch *change) {
	for _, names := range d.names {
		delete(names, ch.removed)
	}
	if ch.added != nil {
		if d.names[ch.of] == nil {
			d.names[ch.of] = map[string]*file{}
		}
		d.names[ch.of][ch.name] = ch.added
	}
}

// save writes a directory and what is below into an existing directory.
func (d *disk) save(dir *file, path string) error {
	for name, f := range d.names[dir] {
		to := filepath.Join(path, filepath.Base(name))
		switch {
		case f.dir:
			if err := errors.Join(os.Mkdir(to, 0o700), d.save(f, to)); err != nil {
				return err
			}
		case memory(f):
		default:
			if err := os.WriteFile(to, d.octets[f], 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}
