package smtpd

import (
	"bufio"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Sizes of a connection's buffers. The read buffer is what DATA is scanned in.
const (
	readBuffer  = 64 << 10
	writeBuffer = 4 << 10
)

// errStopping wakes a session that waits for a command while the server stops.
var errStopping = errors.New("server is stopping")

// wire is one connection with its buffers and its patience. Whatever was written is flushed before a read waits: replies to
// pipelined commands leave together, and no peer waits for a reply that we keep.
type wire struct {
	in    *bufio.Reader // reads from the wire itself
	out   *bufio.Writer // writes to the wire itself
	pace  pace
	write time.Duration // time-out of one write

	mu       sync.Mutex // guards what interrupt shares with the session's goroutine
	conn     net.Conn
	waiting  bool // the session is between commands: it may be interrupted
	stopping bool
}

func newWire(conn net.Conn, write time.Duration) *wire {
	w := &wire{conn: conn, write: write}
	w.in = bufio.NewReaderSize(w, readBuffer)
	w.out = bufio.NewWriterSize(w, writeBuffer)
	return w
}

// upgrade goes on with conn and forgets what was read before.
func (w *wire) upgrade(conn net.Conn) {
	w.mu.Lock()
	w.conn = conn
	w.mu.Unlock()
	w.in.Reset(w)
	w.out.Reset(w)
}

// expectCommand sets the patience for one line; until the next expectation the session may be interrupted.
func (w *wire) expectCommand(patience time.Duration) { w.expect(linePace(patience), true) }

// expectData sets the patience for a message, which a stop does not interrupt.
func (w *wire) expectData(p pace) { w.expect(p, false) }

func (w *wire) expect(p pace, waiting bool) {
	w.mu.Lock()
	w.pace, w.waiting = p, waiting
	w.mu.Unlock()
}

// interrupt ends the wait for a command, now and later. It is the one method for other goroutines.
func (w *wire) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	if w.waiting {
		_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // a closed connection needs no waking
	}
}

func (w *wire) interrupted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopping
}

// Read implements io.Reader for the read buffer.
func (w *wire) Read(p []byte) (int, error) {
	if err := w.out.Flush(); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := w.arm(start); err != nil {
		return 0, err
	}
	n, err := w.conn.Read(p)
	w.pace.spend(time.Since(start), n)
	return n, err
}

// arm sets the deadline of one read. Under the lock: either interrupt comes later and moves it, or it came before and is seen.
func (w *wire) arm(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping && w.waiting {
		return errStopping
	}
	wait := w.pace.left()
	if wait <= 0 {
		return os.ErrDeadlineExceeded
	}
	return w.conn.SetReadDeadline(now.Add(wait))
}

// Write implements io.Writer for the write buffer.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.write)); err != nil {
		return 0, err
	}
	return w.conn.Write(p)
}

// reply buffers a reply of one line or several. An error of the buffer is kept in it and met by the next flush.
func (w *wire) reply(code int, lines ...string) {
	for i, text := range lines {
		separator := byte('-')
		if i == len(lines)-1 {
			separator = ' '
		}
		_, _ = w.out.Write(replyLine(code, separator, text))
	}
}
