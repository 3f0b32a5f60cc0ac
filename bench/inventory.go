package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/sandbox"
)

// inventory compares the writers' own lists of 250s with what lies in the mailboxes. A message is lost if its envelope,
// its acceptance, its taking in charge or its delivery receipt is not where it belongs, and doubled if one of them is
// there twice. What nobody was told of is doubled too.
func (s *siege) inventory(ctx context.Context, c *child, k *Kills) error {
	found, err := settled(ctx, c)
	if err != nil {
		return err
	}
	k.compare(s.writers, c.contract.Providers[0].ServiceMailbox.Address, found)
	return nil
}

func (k *Kills) compare(writers []*writer, service string, found map[string]int) {
	for _, w := range writers {
		k.Accepted += len(w.accepted)
		k.Repeated += w.repeated
		for client, id := range w.accepted {
			lost, doubled := false, false
			for _, what := range owed(w, service, client, id) {
				lost, doubled = lost || found[what] == 0, doubled || found[what] > 1
				delete(found, what)
			}
			k.Lost += count(lost)
			k.Doubled += count(doubled)
		}
	}
	for _, n := range found {
		k.Doubled += n
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// owed is what has to come of an accepted message.
func owed(w *writer, service, client, id string) []string {
	return []string{
		place("posta-certificata", client, w.to) + " as <" + id + ">",
		place("accettazione", client, w.from),
		place("avvenuta-consegna", client, w.from),
		place("presa-in-carico", client, service),
	}
}

func place(kind, client, mailbox string) string { return kind + " of " + client + " in " + mailbox }

// settled moves the law's clock, so that every retry is made, until a whole hour changes nothing, and returns how many
// times everything is there.
func settled(ctx context.Context, c *child) (map[string]int, error) {
	for before := map[string]int(nil); ; {
		if err := advance(ctx, c); err != nil {
			return nil, err
		}
		found, err := everyMailbox(ctx, c)
		if err != nil || maps.Equal(found, before) {
			return found, err
		}
		before = found
	}
}

// advance moves the clock by an hour and returns when what is then due has been tried (design.md 9).
func advance(ctx context.Context, c *child) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.contract.ControlURL+"/clock", strings.NewReader(`{"advance": "1h"}`))
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 2 * time.Minute} // the clock answers after a minute at the latest
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("moving the clock: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxLine))
	if err == nil && (answer.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"unfinished"`))) {
		err = fmt.Errorf("moving the clock: %s: %s", answer.Status, text)
	}
	return err
}

func everyMailbox(ctx context.Context, c *child) (map[string]int, error) {
	roots, err := authorityOf(c.dir, c.contract)
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	for _, p := range c.contract.Providers {
		for _, a := range append([]sandbox.Account{p.ServiceMailbox}, p.Mailboxes...) {
			in, err := openInbox(ctx, p.IMAPS, roots, a)
			if err != nil {
				return nil, err
			}
			err = in.tally(found)
			if in.close(); err != nil {
				return nil, fmt.Errorf("reading the headers of %s: %w", a.Address, err)
			}
		}
	}
	return found, nil
}

// tally counts what is in INBOX.
func (i *inbox) tally(found map[string]int) error {
	if _, err := i.command("EXAMINE INBOX"); err != nil || i.want == 0 {
		return err
	}
	if err := i.ask("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-TRASPORTO X-RICEVUTA X-RIFERIMENTO-MESSAGE-ID MESSAGE-ID)]"); err != nil {
		return err
	}
	for {
		line, err := i.line()
		if err != nil || strings.HasPrefix(line, i.tagged()+"OK") {
			return err
		}
		octets, ok := literal(line)
		if !ok || octets > maxLine {
			return fmt.Errorf("FETCH was answered by %q", line)
		}
		header := make([]byte, octets)
		if _, err := io.ReadFull(i.r, header); err != nil {
			return err
		}
		what, err := describe(header, i.address)
		if err != nil {
			return err
		}
		found[what]++
		if _, err := i.line(); err != nil { // the end of the FETCH response
			return err
		}
	}
}

// describe says what a message is, by its header.
func describe(header []byte, mailbox string) (string, error) {
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(header))).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	client := h.Get("X-Riferimento-Message-ID")
	if kind := h.Get("X-Trasporto"); kind != "" {
		return place(kind, client, mailbox) + " as " + h.Get("Message-ID"), nil
	}
	return place(h.Get("X-Ricevuta"), client, mailbox), nil
}
