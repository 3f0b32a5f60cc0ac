package bench

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	patience = 30 * time.Second // for one answer, unless a connection is said to have more
	maxLine  = 64 << 10
)

// conn is a connection to the sandbox that speaks in lines.
type conn struct {
	net.Conn
	r        *bufio.Reader
	patience time.Duration
	free     func() bool // undoes the cut at the end of the context
}

// dial makes a full handshake of TLS 1.3. The server's certificate must be P-256, as P1b wants it.
func dial(ctx context.Context, address string, roots *x509.CertPool) (*conn, error) {
	d := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: patience},
		Config:    &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13},
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	key, ok := raw.(*tls.Conn).ConnectionState().PeerCertificates[0].PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		raw.Close()
		return nil, fmt.Errorf("the certificate of %s is not P-256", address)
	}
	return newConn(raw), nil
}

// dialPlain connects without TLS.
func dialPlain(ctx context.Context, address string) (*conn, error) {
	raw, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return newConn(raw), nil
}

func newConn(raw net.Conn) *conn {
	return &conn{Conn: raw, r: bufio.NewReaderSize(raw, maxLine), patience: patience}
}

// cutWith closes the connection when ctx ends, until it is closed otherwise.
func (c *conn) cutWith(ctx context.Context) {
	c.free = context.AfterFunc(ctx, func() { c.Close() })
}

func (c *conn) close() {
	if c.free != nil {
		c.free()
	}
	c.Close()
}

// Write writes to the peer, which has the connection's patience to take the octets and to answer.
func (c *conn) Write(octets []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(octets)
}

func (c *conn) write(octets []byte) error {
	_, err := c.Write(octets)
	return err
}

// skip reads n octets and forgets them.
func (c *conn) skip(n int64) error {
	for n > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
			return err
		}
		some, err := c.r.Discard(int(min(n, maxLine)))
		if n -= int64(some); err != nil {
			return fmt.Errorf("%d octets were still to come: %w", n, err)
		}
	}
	return nil
}

// line reads a line without its end.
func (c *conn) line() (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
		return "", err
	}
	line, err := c.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("a line of more than %d octets came", maxLine)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimRight(string(line), "\r\n"), err
}
