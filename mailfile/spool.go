package mailfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// spool is the temporary folder of a walk, made when something is first unpacked into it, and what archives may still
// unpack to.
type spool struct {
	dir        string
	left, most int64
}

// errTotal ends the reading of an archive. Of those behind it is read what still fits.
var errTotal = errors.New("the archives of this walk unpack to too much")

// spend counts octets that an archive unpacks to.
func (s *spool) spend(octets int64) error {
	if octets > s.left {
		return fmt.Errorf("%w, more than %d octets: the rest of it is not read, unpack it first and name the folder", errTotal, s.most)
	}
	s.left -= octets
	return nil
}

// keep writes what it reads into a file of its own and returns its path.
func (s *spool) keep(ctx context.Context, in io.Reader) (path string, err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "ceralacca-mailfile-"); err != nil {
			return "", fmt.Errorf("making a temporary folder to unpack into: %w", err)
		}
	}
	out, err := os.CreateTemp(s.dir, "unpacked-")
	if err != nil {
		return "", fmt.Errorf("unpacking into a temporary file: %w", err)
	}
	_, err = io.Copy(out, untilDone{ctx, in})
	if err = errors.Join(err, out.Close()); err != nil {
		return "", fmt.Errorf("unpacking into a temporary file: %w", errors.Join(err, os.Remove(out.Name())))
	}
	return out.Name(), nil
}

func (s *spool) remove() error {
	if s.dir == "" {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing what was unpacked, remove it by hand: %w", err)
	}
	return nil
}
