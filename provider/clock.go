package provider

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ceralacca/ceralacca/store"
)

// Clock is the law's clock (design.md 7): the system's, plus an offset that only a sandbox has.
type Clock struct {
	mu     sync.Mutex
	offset time.Duration
	jumped chan struct{}
}

// NewClock makes a clock that is ahead of the system's by offset.
func NewClock(offset time.Duration) *Clock {
	return &Clock{offset: offset, jumped: make(chan struct{})}
}

// Now is the law's time.
func (c *Clock) Now() time.Time {
	// The wall clock without its monotonic reading: instants are compared as the law sees them.
	return time.Now().Round(0).Add(c.Offset())
}

// Offset is how far the clock is ahead of the system's.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// Jumped is closed at the next jump.
func (c *Clock) Jumped() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jumped
}

// Advance moves the clock forward; all who wait on Jumped look again.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	close(c.jumped)
	c.jumped = make(chan struct{})
}

// ReadOffset reads a sandbox's clock file; a file that is not there is no offset.
func ReadOffset(path string) (time.Duration, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the clock's offset: %w", err)
	}
	d, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s holds no offset such as \"12h5m\": put it back, for the data may be ahead of the clock", path)
	}
	return d, nil
}

// WriteOffset keeps a sandbox's offset durably.
func WriteOffset(path string, d time.Duration) error {
	return store.WriteFile(path, []byte(d.String()+"\n"))
}

// Clock is the law's clock that the configuration asks for: the system's, and in a sandbox its offset.
func (c *Config) Clock() (*Clock, error) {
	if c.ClockFile == "" {
		return NewClock(0), nil
	}
	offset, err := ReadOffset(c.Path(c.ClockFile))
	if err != nil {
		return nil, c.fault("clock_file", "%v", err)
	}
	return NewClock(offset), nil
}
