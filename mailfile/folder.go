package mailfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

var errLink = errors.New("a symbolic link to a folder is not followed: name the folder itself")

// folder gives the messages of a folder and of the folders in it, by name.
func (w *walker) folder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		err = reason(err)
	}
	if err := w.told(visible(path), err); err != nil {
		return err
	}
	inMaildir := isMaildirPart(path)
	for _, entry := range entries {
		if err := w.entry(filepath.Join(path, entry.Name()), entry.Type(), inMaildir); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(path string, kind fs.FileMode, inMaildir bool) error {
	base, name := filepath.Base(path), visible(path)
	if kind&fs.ModeSymlink != 0 {
		info, err := os.Stat(path)
		if err != nil {
			return w.told(name, reason(err))
		}
		if info.IsDir() {
			return w.told(name, errLink)
		}
		kind = info.Mode().Type()
	}
	switch {
	case kind.IsDir() && w.enters(path, base):
		return w.folder(path)
	case kind.IsRegular() && !isHidden(base):
		return w.file(file{path: path, name: name, origin: origin{base: base, maildir: inMaildir}})
	}
	w.o.PassedOver(name)
	return w.told(name, nil)
}

// enters tells whether the walk goes into a folder: into a hidden one only if it is a Maildir, as the subfolders of a
// Maildir++ are; not into the tmp of a Maildir, where messages are before they are whole.
func (w *walker) enters(path, base string) bool {
	if base == "tmp" {
		return !isMaildir(filepath.Dir(path))
	}
	return !isHidden(base) || isMaildir(path)
}

// isMaildirPart tells the two folders of a Maildir that hold messages.
func isMaildirPart(path string) bool {
	base := filepath.Base(path)
	return (base == "cur" || base == "new") && isMaildir(filepath.Dir(path))
}

func isMaildir(path string) bool {
	return isFolder(filepath.Join(path, "cur")) && isFolder(filepath.Join(path, "new"))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
