package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/sandbox"
)

// inbox is an IMAP connection of a mailbox whose INBOX is watched.
type inbox struct {
	*conn
	address string
	want    int // messages that must be there in the end
	tag     int
}

func openInbox(ctx context.Context, address string, roots *x509.CertPool, a sandbox.Account) (*inbox, error) {
	c, err := dial(ctx, address, roots)
	if err != nil {
		return nil, fmt.Errorf("connecting for IMAP: %w", err)
	}
	i := &inbox{conn: c, address: a.Address}
	i.cutWith(ctx)
	if err := i.open(a); err != nil {
		i.close()
		return nil, fmt.Errorf("IMAP as %s: %w", a.Address, err)
	}
	return i, nil
}

// open logs in and notes how many messages there are.
func (i *inbox) open(a sandbox.Account) error {
	if _, err := i.line(); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if _, err := i.command("LOGIN " + quoted(a.Address) + " " + quoted(a.Password)); err != nil {
		return err
	}
	var err error
	i.want, err = i.messages()
	return err
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// messages asks how many messages are in INBOX.
func (i *inbox) messages() (n int, err error) {
	lines, err := i.command("STATUS INBOX (MESSAGES)")
	if err != nil {
		return 0, err
	}
	for _, l := range lines {
		if _, rest, ok := strings.Cut(l, "(MESSAGES "); ok {
			_, err := fmt.Sscanf(rest, "%d)", &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("STATUS was answered by %q", lines)
}

// settle asks until all that is wanted is there.
func (i *inbox) settle(ctx context.Context) error {
	for {
		n, err := i.messages()
		switch {
		case err != nil:
			return fmt.Errorf("asking for the messages of %s: %w", i.address, err)
		case n == i.want:
			return nil
		case n > i.want:
			return fmt.Errorf("%s has %d messages where %d were expected", i.address, n, i.want)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has %d of %d messages: %w", i.address, n, i.want, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// idle selects INBOX and begins IDLE (RFC 2177).
func (i *inbox) idle() error {
	if _, err := i.command("SELECT INBOX"); err != nil {
		return err
	}
	if err := i.ask("IDLE"); err != nil {
		return err
	}
	line, err := i.line()
	if err == nil && !strings.HasPrefix(line, "+") {
		err = fmt.Errorf("IDLE was answered by %q", line)
	}
	return err
}

// exists waits in IDLE until n messages are announced, and returns the instant.
func (i *inbox) exists(n int) (time.Time, error) {
	for {
		announced, ended, err := i.announcement()
		if err == nil && ended {
			err = errors.New("IDLE has ended")
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("waiting for message %d of %s: %w", n, i.address, err)
		}
		if announced >= n {
			return time.Now(), nil
		}
	}
}

// announcement reads in IDLE up to the next number of messages, or to the answer that IDLE has ended.
func (i *inbox) announcement() (n int, ended bool, err error) {
	for {
		line, err := i.line()
		if err != nil {
			return 0, false, err
		}
		var what string
		if _, err := fmt.Sscanf(line, "* %d %s", &n, &what); err == nil && what == "EXISTS" {
			return n, false, nil
		}
		if strings.HasPrefix(line, i.tagged()) {
			return 0, true, nil
		}
	}
}

func (i *inbox) done() error { return i.write([]byte("DONE\r\n")) }

func (i *inbox) endIdle() error {
	if err := i.done(); err != nil {
		return err
	}
	_, err := i.answer("IDLE")
	return err
}

func (i *inbox) command(line string) (untagged []string, err error) {
	if err := i.ask(line); err != nil {
		return nil, err
	}
	return i.answer(line)
}

func (i *inbox) ask(line string) error {
	i.tag++
	return i.write(fmt.Appendf(nil, "a%d %s\r\n", i.tag, line))
}

func (i *inbox) tagged() string { return fmt.Sprintf("a%d ", i.tag) }

// answer reads up to the tagged answer, which must be OK.
func (i *inbox) answer(command string) (untagged []string, err error) {
	name, _, _ := strings.Cut(command, " ")
	for {
		line, err := i.line()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		status, tagged := strings.CutPrefix(line, i.tagged())
		switch {
		case tagged && strings.HasPrefix(status, "OK"):
			return untagged, nil
		case tagged:
			return nil, fmt.Errorf("%s: got %q", name, line)
		}
		untagged = append(untagged, line)
	}
}

// fetch reads the whole message with that number, keeps nothing of it, and returns how many octets it had.
func (i *inbox) fetch(number int) (octets int64, err error) {
	if _, err := i.command("EXAMINE INBOX"); err != nil {
		return 0, err
	}
	const what = "FETCH"
	if err := i.ask(fmt.Sprintf("%s %d BODY.PEEK[]", what, number)); err != nil {
		return 0, err
	}
	line, err := i.line()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	octets, ok := literal(line)
	if !ok {
		return 0, fmt.Errorf("%s was answered by %q", what, line)
	}
	if err := i.skip(octets); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	_, err = i.answer(what)
	return octets, err
}

// literal is the length of the literal that a line announces at its end (RFC 9051 4.3).
func literal(line string) (octets int64, ok bool) {
	at := strings.LastIndexByte(line, '{')
	if at < 0 || !strings.HasSuffix(line, "}") {
		return 0, false
	}
	octets, err := strconv.ParseInt(line[at+1:len(line)-1], 10, 64)
	return octets, err == nil && octets >= 0
}
