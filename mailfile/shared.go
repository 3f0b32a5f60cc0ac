package mailfile

import (
	"errors"
	"os"
	"sync"
)

// sharedFile is a file that is open while somebody holds it: thousands of messages of an archive need one descriptor, and
// none when nobody reads.
type sharedFile struct {
	path string

	mu      sync.Mutex
	holders int
	open    *os.File
}

// hold opens the file for one more holder, who must release it once.
func (s *sharedFile) hold() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders == 0 {
		in, err := openFile(s.path)
		if err != nil {
			return err
		}
		s.open = in
	}
	s.holders++
	return nil
}

func (s *sharedFile) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders--
	if s.holders > 0 {
		return nil
	}
	in := s.open
	s.open = nil
	return in.Close()
}

// ReadAt reads for somebody who holds the file.
func (s *sharedFile) ReadAt(p []byte, offset int64) (int, error) {
	s.mu.Lock()
	in := s.open
	s.mu.Unlock()
	if in == nil {
		return 0, errors.New("read after Close")
	}
	return in.ReadAt(p, offset)
}
