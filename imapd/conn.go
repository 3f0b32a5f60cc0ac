package imapd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ceralacca/ceralacca/admission"
)

const (
	// loginTime bounds the life of a connection on which nobody has logged in (attacks.md 39).
	loginTime = time.Minute
	// restPatience tells the library's wait for the next command (35 minutes, RFC 9051 5.4) from its other waits (5 minutes at most).
	restPatience = 30 * time.Minute
	// writePatience bounds one write whose deadline nobody has set, and the last words.
	writePatience = 30 * time.Second
)

// conn is a connection inside TLS, between the library and the network. It corrects what the library's constants would do:
// a deadline bounds the silence before each read or write, not a whole literal, so slow lines get their message; a connection
// nobody logs in on ends; and a session can be told to leave, with a BYE between two commands.
type conn struct {
	net.Conn
	guest    *admission.Guest
	began    time.Time
	literals literals // of the goroutine that reads and answers commands
	done     chan struct{}

	mu       sync.Mutex // guards what follows
	reading  time.Duration
	writing  time.Duration
	loggedIn bool
	resting  bool   // a read is under way that may be ended by a BYE
	farewell string // the text of the BYE that is due
	ended    bool   // the session is over: the next Close is the last thing that the library does
}

func newConn(secured net.Conn) *conn {
	return &conn{Conn: secured, guest: new(admission.Guest), began: time.Now(), done: make(chan struct{}), writing: writePatience}
}

// SetReadDeadline keeps the library's patience, which every Read begins anew.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = until(t)
	return nil
}

// SetWriteDeadline keeps the library's patience, which every Write begins anew.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = until(t)
	return nil
}

func until(t time.Time) time.Duration {
	if t.IsZero() {
		return writePatience
	}
	return time.Until(t)
}

// Read gives the client's octets. When it is called, everything that was answered is on the wire.
func (c *conn) Read(p []byte) (int, error) {
	if text := c.beginRead(); text != "" {
		return 0, c.bye(text)
	}
	n, err := c.Conn.Read(p)
	if text := c.endRead(err); text != "" {
		return 0, c.bye(text)
	}
	if !c.literals.read(p[:n]) {
		return 0, c.bye("[TOOBIG] the literal is too long, or was sent before it was asked for")
	}
	return n, err
}

func (c *conn) beginRead() (farewell string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resting = !c.loggedIn || c.reading >= restPatience
	if c.resting && c.farewell != "" {
		return c.farewell
	}
	deadline := time.Now().Add(c.reading)
	if end := c.began.Add(loginTime); !c.loggedIn && deadline.After(end) {
		deadline = end
	}
	_ = c.Conn.SetReadDeadline(deadline) // if it fails, the read fails
	return ""
}

func (c *conn) endRead(err error) (farewell string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rested := c.resting
	c.resting = false
	switch {
	case !rested || !errors.Is(err, os.ErrDeadlineExceeded):
		return ""
	case c.farewell != "":
		return c.farewell
	}
	return "nothing came for too long"
}

// dismiss lets the client go with a BYE: at once if it is silent, otherwise after the command under way.
func (c *conn) dismiss(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell == "" {
		c.farewell = text
	}
	if c.resting {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // wakes the read
	}
}

// bye writes the last line. The library's own buffer is empty whenever it reads.
func (c *conn) bye(text string) error {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(writePatience))
	_, _ = fmt.Fprintf(c.Conn, "* BYE %s\r\n", text) // who does not hear it, sees the end
	return io.EOF
}

// Write sends octets.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.writing))
	c.mu.Unlock()
	c.literals.wrote(p)
	return c.Conn.Write(p)
}

// welcome lifts the limits for strangers.
func (c *conn) welcome() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loggedIn = true
}

// sessionEnded says that the next Close is the library's last.
func (c *conn) sessionEnded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

// abort cuts the connection without a word.
func (c *conn) abort() { _ = c.Conn.Close() }

// Close implements net.Conn. After the session's end it also says that the library is done with the connection.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		select {
		case <-c.done:
		default:
			close(c.done)
		}
	}
	return err
}
