package evidence

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/ceralacca/ceralacca/mailfile"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/smime"
)

// Options are what is held for true, and when.
type Options struct {
	Anchors     *smime.Anchors // nil: nothing is valid
	Directories *Directories   // nil: none
	// Revocation is what is known of a path's certificates at an instant; nil: nothing.
	Revocation func(path []*x509.Certificate, at time.Time) revocation.Status
	Lists      []string  // where what is known of revoked certificates comes from, for people
	SHA1Until  time.Time // digests with SHA-1 are borne from before it
	Now        time.Time // when the report is made
}

// sha1Issued is when the last certificates of providers that are signed with SHA-1 were issued (field-notes.md 10, quirks.md E6).
func sha1Issued() time.Time { return time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC) }

// Format names the form of a report as JSON, which docs/verify.schema.json describes. Fields may be added to it.
const Format = "ceralacca-evidence-1"

// Report is all that was found.
type Report struct {
	Format     string          `json:"format"`
	Made       time.Time       `json:"made"`
	Verdict    Verdict         `json:"verdict"` // the worst of all messages but those in anomaly envelopes; unknown if none is certified
	Counts     map[Verdict]int `json:"counts"`
	Wrapped    int             `json:"wrapped"` // messages in anomaly envelopes: they are not in the counts and do not decide the verdict
	Basis      Basis           `json:"basis"`
	Messages   []*Item         `json:"messages"` // in the order in which they were found, each before what it encloses
	Stories    []*Story        `json:"stories"`
	Unread     []Unread        `json:"unread"`      // files that say nothing for they could not be read
	PassedOver int             `json:"passed_over"` // files of folders and archives that are no mail
}

// Basis is what the verdicts rest on.
type Basis struct {
	Anchors     []Certificate `json:"anchors"`
	Directories []time.Time   `json:"directories"` // when each was signed
	Revocation  []string      `json:"revocation"`  // where what is known of revoked certificates comes from; none: nothing is known
	SHA1Until   time.Time     `json:"sha1_until"`
}

// Unread is a file that could not be read.
type Unread struct {
	Name string            `json:"name"`
	Code mailfile.Obstacle `json:"code"`
	Why  string            `json:"why"` // in English
}

// Examine verifies all messages in files and folders. The error means that there is no report: a path that is not there, or the
// context's.
func Examine(ctx context.Context, paths []string, o Options) (*Report, error) {
	r := &Report{
		Format: Format, Made: o.Now.UTC(), Counts: map[Verdict]int{}, Basis: o.basis(), Messages: []*Item{}, Stories: []*Story{}, Unread: []Unread{},
	}
	e := newExaminer(o, r.unread)
	err := mailfile.Walk(ctx, paths, mailfile.Options{
		Problem: r.unread, PassedOver: func(string) { r.PassedOver++ },
		End: func() error { return r.relate(ctx) },
	}, func(m *mailfile.Message) error {
		items, err := e.examine(ctx, m.Name, readings(m)...)
		if err != nil && ctx.Err() == nil {
			r.unread(m.Name, err)
			return nil
		}
		r.Messages = append(r.Messages, items...)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.sum()
	return r, nil
}

func (o Options) basis() Basis {
	b := Basis{Anchors: []Certificate{}, Directories: []time.Time{}, Revocation: append([]string{}, o.Lists...), SHA1Until: o.SHA1Until.UTC()}
	for _, c := range o.Anchors.Certificates() {
		b.Anchors = append(b.Anchors, certificate(c))
	}
	if o.Directories != nil {
		for _, d := range o.Directories.byTime {
			b.Directories = append(b.Directories, d.SignedAt().UTC())
		}
	}
	return b
}

// relate tells the stories while the messages can still be opened.
func (r *Report) relate(ctx context.Context) error {
	r.Stories = append(r.Stories, stories(r.Messages)...)
	return compareOriginals(ctx, r.Stories, r.Messages, r.unread)
}

func (r *Report) unread(name string, err error) {
	r.Unread = append(r.Unread, Unread{name, mailfile.ObstacleOf(err), printable(err.Error())})
}

// sum is the verdict on the whole.
func (r *Report) sum() {
	decisive := map[Verdict]int{}
	for _, i := range r.Messages {
		if i.wrapped {
			r.Wrapped++
			continue
		}
		r.Counts[i.Verdict]++
		if i.Verdict != Valid || i.Kind != pec.Anomaly { // an anomaly envelope is no evidence of anything
			decisive[i.Verdict]++
		}
	}
	switch {
	case decisive[Invalid] > 0:
		r.Verdict = Invalid
	case decisive[Unknown] > 0 || len(r.Unread) > 0 || decisive[Valid] == 0:
		r.Verdict = Unknown
	default:
		r.Verdict = Valid
	}
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(r); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
