package cluster

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// imapConn is an IMAP client. Whatever is not as it should be is an error: servers are killed while it talks to them.
type imapConn struct {
	net.Conn
	in       *bufio.Reader
	tag      int
	patience time.Duration // for one line
}

// response is one line of the server, its literals apart.
type response struct {
	text     string // each literal stands as {n}
	literals []string
}

// refusedError is a tagged NO or BAD, or a BYE.
type refusedError string

func (e refusedError) Error() string { return string(e) }

// openInbox logs in at a process and selects the inbox.
func (c *cluster) openInbox(n *node, a account, patience time.Duration) (*imapConn, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", n.imaps, c.tls)
	if err != nil {
		return nil, err
	}
	i := &imapConn{Conn: conn, in: bufio.NewReader(conn), patience: patience}
	if _, err = i.read(); err == nil {
		_, err = i.do(`LOGIN %q %q`, a.Address, a.Password)
	}
	if err == nil {
		_, err = i.do("SELECT INBOX")
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s at %s: %w", a.Address, n.name, err)
	}
	return i, nil
}

var literalAtEnd = regexp.MustCompile(`\{(\d+)\}$`)

func (c *imapConn) read() (response, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return response{}, err
	}
	var r response
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return r, err
		}
		r.text += strings.TrimSuffix(line, "\r\n")
		if strings.HasPrefix(r.text, "* BYE") {
			return r, refusedError(r.text)
		}
		m := literalAtEnd.FindStringSubmatch(r.text)
		if m == nil {
			return r, nil
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return r, err
		}
		octets := make([]byte, n)
		if _, err := io.ReadFull(c.in, octets); err != nil {
			return r, err
		}
		r.literals = append(r.literals, string(octets))
	}
}

func (c *imapConn) begin(format string, args ...any) (tag string, err error) {
	c.tag++
	tag = fmt.Sprintf("t%d", c.tag)
	_, err = fmt.Fprintf(c, tag+" "+format+"\r\n", args...)
	return tag, err
}

// finish reads until the tagged line of a command, which must be OK, and returns what came before it.
func (c *imapConn) finish(tag string) (before []response, err error) {
	for {
		r, err := c.read()
		if err != nil {
			return before, err
		}
		if status, tagged := strings.CutPrefix(r.text, tag+" "); !tagged {
			before = append(before, r)
		} else if strings.HasPrefix(status, "OK") {
			return before, nil
		} else {
			return before, refusedError(status)
		}
	}
}

func (c *imapConn) do(format string, args ...any) ([]response, error) {
	tag, err := c.begin(format, args...)
	if err != nil {
		return nil, err
	}
	return c.finish(tag)
}

// count is how many messages are in the inbox.
func (c *imapConn) count() (n int, err error) {
	rs, err := c.do("STATUS INBOX (MESSAGES)")
	for _, r := range rs {
		if _, text, found := strings.Cut(r.text, "(MESSAGES "); found {
			return strconv.Atoi(strings.TrimSuffix(text, ")"))
		}
	}
	return 0, errors.Join(err, errors.New("no STATUS came"))
}

// fetched is what was asked of a message.
type fetched struct {
	uid      int
	sections []string
}

var fetchUID = regexp.MustCompile(`^\* \d+ FETCH \(.*\bUID (\d+)`)

// fetch returns sections of the messages that came after the one with that UID.
func (c *imapConn) fetch(after int, sections ...string) (all []fetched, err error) {
	items := ""
	for _, s := range sections {
		items += " BODY.PEEK[" + s + "]"
	}
	rs, err := c.do("UID FETCH %d:* (UID%s)", after+1, items)
	for _, r := range rs {
		if m := fetchUID.FindStringSubmatch(r.text); m != nil {
			uid, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, err
			}
			if len(r.literals) != len(sections) {
				return nil, fmt.Errorf("%d literals in %s", len(r.literals), r.text)
			}
			if uid > after { // the last one comes in any case, as UID FETCH does
				all = append(all, fetched{uid, r.literals})
			}
		}
	}
	return all, err
}

// idle waits until the server announces how many messages there are, and returns that. Meanwhile something is done.
func (c *imapConn) idle(meanwhile func()) (exists int, err error) {
	tag, err := c.begin("IDLE")
	if err != nil {
		return 0, err
	}
	if r, err := c.read(); err != nil || !strings.HasPrefix(r.text, "+") {
		return 0, errors.Join(err, fmt.Errorf("IDLE is answered: %s", r.text))
	}
	meanwhile()
	for exists == 0 {
		r, err := c.read()
		if err != nil {
			return 0, err
		}
		if text, is := strings.CutSuffix(r.text, " EXISTS"); is {
			if exists, err = strconv.Atoi(strings.TrimPrefix(text, "* ")); err != nil {
				return 0, err
			}
		}
	}
	if _, err := io.WriteString(c, "DONE\r\n"); err != nil {
		return 0, err
	}
	_, err = c.finish(tag)
	return exists, err
}
