package faults

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is a file or a directory of the traced run, from its creation on.
type file struct {
	path    string // its last one
	dir     bool
	named   *change // what gave it its name; nil for the root
	changes []*change
}

// change is a write or a truncation of a file, or a change of the names in a directory.
type change struct {
	of            *file // whose sync makes it durable
	begun, done   place
	durable       place // when the first sync that was begun after it had returned; never if there was none
	offset        int64
	octets        []byte // written at offset
	cut           bool   // truncated at offset
	added         *file  // has the name from now on
	name, removed string // whole paths
}

// unsynced tells which syncs are read as if they had not been made; nil: none.
type unsynced func(*file, time.Time) bool

// history is what happened below a directory that was empty at the beginning.
type history struct {
	root    string
	ignored unsynced
	changes []*change // in the order of their returns, those that did not return last

	names   map[string]*file
	offsets map[string]int64 // of descriptors, for write
}

func newHistory(root string, ignored unsynced) *history {
	return &history{root: root, ignored: ignored, offsets: map[string]int64{},
		names: map[string]*file{root: {path: root, dir: true}}}
}

// add takes a call into the history. An error is a call whose effect on our files it cannot tell.
func (h *history) add(c call) error {
	switch c.name {
	case "openat", "open", "creat", "openat2":
		return h.open(c)
	case "write", "pwrite64":
		return h.write(c)
	case "ftruncate":
		return h.truncate(c)
	case "fsync", "fdatasync":
		h.sync(c)
		return nil
	case "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2":
		return h.rename(c)
	case "mmap":
		if !c.flag("PROT_WRITE") || !c.flag("MAP_SHARED") {
			return nil
		}
	}
	if f := h.touched(c); f != nil && !memory(f) {
		return fmt.Errorf("not understood: %s", c)
	}
	return nil
}

// memory tells whether the file is memory that processes share: SQLite makes it anew at the first start after a cut.
func memory(f *file) bool { return strings.HasSuffix(f.path, "-shm") }

// touched is the file of ours that an argument stands for or names, or nil.
func (h *history) touched(c call) *file {
	paths, _ := c.paths()
	for _, a := range c.args {
		_, what := descriptor(a)
		paths = append(paths, what)
	}
	for _, p := range paths {
		if f := h.names[p]; f != nil {
			return f
		}
	}
	return nil
}

func (h *history) open(c call) error {
	if c.returned() < 0 {
		return nil
	}
	fd, path := descriptor(c.result)
	if !strings.HasPrefix(path, h.root+"/") {
		return nil
	}
	h.offsets[fd] = 0
	f := h.names[path]
	switch {
	case f == nil && c.flag("O_CREAT"):
		h.link(c, &file{}, path, "")
	case f == nil:
		return fmt.Errorf("it was never made: %s", c)
	case c.flag("O_TRUNC"):
		h.change(f, c, change{cut: true})
	}
	if c.flag("O_APPEND") {
		return fmt.Errorf("not understood: %s", c)
	}
	return nil
}

func (h *history) write(c call) error {
	fd, path := descriptor(c.args[0])
	f := h.names[path]
	if f == nil || memory(f) {
		return nil
	}
	octets, err := c.octets(1)
	if err != nil {
		return err
	}
	offset := h.offsets[fd]
	if c.name == "pwrite64" {
		if offset, err = c.number(3); err != nil {
			return err
		}
	}
	if n := c.returned(); n >= 0 {
		octets = octets[:n]
	} else if c.done != never {
		return fmt.Errorf("a write failed: %s", c)
	}
	if c.name == "write" {
		h.offsets[fd] += int64(len(octets))
	}
	h.change(f, c, change{offset: offset, octets: octets})
	return nil
}

func (h *history) truncate(c call) error {
	_, path := descriptor(c.args[0])
	f := h.names[path]
	if f == nil || memory(f) {
		return nil
	}
	size, err := c.number(1)
	if err == nil {
		h.change(f, c, change{cut: true, offset: size})
	}
	return err
}

// rename takes a call that gives or takes a name.
func (h *history) rename(c call) error {
	paths, err := c.paths()
	if err != nil || c.done != never && c.returned() != 0 {
		return err
	}
	path := paths[len(paths)-1]
	switch {
	case strings.HasPrefix(c.name, "mkdir"):
		if h.names[filepath.Dir(path)] != nil {
			h.link(c, &file{dir: true}, path, "")
		}
	case len(paths) == 1:
		if h.names[path] != nil {
			h.link(c, nil, "", path)
		}
	case h.names[paths[0]] != nil:
		h.link(c, h.names[paths[0]], path, paths[0])
	}
	return nil
}

// link gives f a name and removes one; either may be missing.
func (h *history) link(c call, f *file, name, removed string) {
	at := name
	if f == nil {
		at = removed
	}
	made := h.change(h.names[filepath.Dir(at)], c, change{added: f, name: name, removed: removed})
	delete(h.names, removed)
	if f != nil {
		f.path, f.named, h.names[name] = name, made, f
	}
}

func (h *history) change(of *file, c call, ch change) *change {
	ch.of, ch.begun, ch.done, ch.durable = of, c.begun, c.done, never
	of.changes = append(of.changes, &ch)
	h.changes = append(h.changes, &ch)
	return &ch
}

// sync covers the changes of the file that had returned before it began.
func (h *history) sync(c call) {
	_, path := descriptor(c.args[0])
	f := h.names[path]
	if f == nil || c.returned() != 0 || h.ignored != nil && h.ignored(f, c.at) {
		return
	}
	for _, ch := range slices.Backward(f.changes) {
		if ch.durable == never && ch.done < c.begun {
			ch.durable = c.done
		}
	}
}

// reachable is when the file's name, and those of the directories that lead to it, were durable.
func (h *history) reachable(f *file) place {
	var last place
	for f.named != nil {
		last = max(last, f.named.durable)
		f = f.named.of
	}
	return last
}
