package mailfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Options are what a walk tells besides messages, and its bounds.
type Options struct {
	// Problem is told what concerns one file only and does not end the walk: a file that cannot be read, an archive that is
	// damaged, a form that must be saved in another way. The name is like Message.Name. Nil tells nobody.
	Problem func(name string, err error)
	// PassedOver is called for each file of a folder or an archive that holds no mail, and for each folder not entered, so
	// that they can be counted. Nil tells nobody.
	PassedOver func(name string)
	// End is called after the last message, while all of them can still be opened; its error ends the walk. Nil is not called.
	End func() error
	// MaxMember bounds the octets that one member of an archive unpacks to; 0 means 1 GiB.
	MaxMember int64
	// MaxTotal bounds the octets that all archives of the walk unpack to, each member counted once; 0 means 16 GiB. The
	// temporary disk that is used stays below it.
	MaxTotal int64
}

// Walk calls f for every message under the paths, one after the other, until f or the context says stop; it returns
// their error as it is. Each path is a file or a folder. If one of them is not there or cannot be read, Walk says so
// before it calls f at all.
func Walk(ctx context.Context, paths []string, o Options, f func(*Message) error) (err error) {
	for _, path := range paths {
		if err := readable(path); err != nil {
			return fmt.Errorf("%s: %w", visible(path), err)
		}
	}
	w := newWalker(ctx, o, f)
	defer func() {
		if removing := w.spool.remove(); err == nil {
			err = removing
		}
	}()
	for _, path := range paths {
		if err := w.named(path); err != nil {
			return err
		}
	}
	if o.End != nil {
		return o.End()
	}
	return nil
}

// readable says what to do about a path that was given and cannot be opened.
func readable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file or folder: check the name")
	case err != nil:
		return reason(err)
	case !info.IsDir() && !info.Mode().IsRegular():
		return errors.New("neither a file nor a folder: save what it gives as a file first")
	}
	in, err := os.Open(path)
	if err != nil {
		return reason(err)
	}
	return in.Close()
}

// reason leaves the path out of an error of package os: names are told apart, and printable.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("it may not be read: change its permissions or copy it: %w", err)
	}
	return fmt.Errorf("it cannot be read: %w", err)
}

// walker is one walk.
type walker struct {
	ctx   context.Context
	o     Options
	f     func(*Message) error
	stop  error // of f: the walk ends with it
	spool spool
}

func newWalker(ctx context.Context, o Options, f func(*Message) error) *walker {
	if o.Problem == nil {
		o.Problem = func(string, error) {}
	}
	if o.PassedOver == nil {
		o.PassedOver = func(string) {}
	}
	if o.MaxMember == 0 {
		o.MaxMember = 1 << 30
	}
	if o.MaxTotal == 0 {
		o.MaxTotal = 16 << 30
	}
	return &walker{ctx: ctx, o: o, f: f, spool: spool{left: o.MaxTotal, most: o.MaxTotal}}
}

// give hands a message over, unless somebody said stop.
func (w *walker) give(m *Message) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.stop = w.f(m)
	return w.stop
}

// told ends the walk if somebody said stop. Every other error is a problem of one file, and the walk goes on.
func (w *walker) told(name string, err error) error {
	switch {
	case w.stop != nil:
		return w.stop
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case err != nil:
		w.o.Problem(name, err)
	}
	return nil
}

// file is something on the disk that may hold messages.
type file struct {
	path   string
	name   string // for people: printable
	origin origin
	depth  int // archives around it
}

func (w *walker) named(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return w.told(visible(path), reason(err))
	}
	if info.IsDir() {
		return w.folder(path)
	}
	return w.file(file{path: path, name: visible(path), origin: origin{base: filepath.Base(path), named: true}})
}

// file gives the messages of a regular file.
func (w *walker) file(f file) error {
	head, size, err := readHead(f.path)
	if err != nil {
		return w.told(f.name, reason(err))
	}
	kind, err := classify(f.origin, head)
	switch {
	case err != nil:
		return w.told(f.name, err)
	case kind == oneMessage:
		open := func() (io.ReadCloser, error) { return openFile(f.path) }
		return w.told(f.name, w.give(&Message{Name: f.name, Size: size, open: open, openRaw: open}))
	}
	return w.holder(f, kind)
}

// holder gives the messages of a file that holds several of them, or none.
func (w *walker) holder(f file, kind form) error {
	switch kind {
	case anMbox:
		return w.told(f.name, w.mbox(f))
	case anArchive:
		return w.told(f.name, w.archive(f))
	}
	w.o.PassedOver(f.name)
	return w.told(f.name, nil)
}

func openFile(path string) (*os.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	return in, nil
}

func readHead(path string) (head []byte, size int64, err error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, 0, err
	}
	head, err = io.ReadAll(io.LimitReader(in, headSize))
	return head, info.Size(), err
}

// untilDone reads until the context is done.
type untilDone struct {
	ctx context.Context
	in  io.Reader
}

// Read gives the context's error once it is done.
func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}

// isHidden tells names that programs keep for themselves, like .DS_Store and the ._ twins in archives of macOS. The dots
// that some archives have in names, as in "./a.eml", hide nothing.
func isHidden(base string) bool {
	return strings.HasPrefix(base, ".") && base != "." && base != ".."
}
