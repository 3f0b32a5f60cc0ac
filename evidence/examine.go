package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/mailfile"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/verify"
)

// Bounds on messages in messages (attacks.md 20).
const (
	maxDepth  = 10
	maxNested = 200 // in one file
)

// examiner verifies messages one by one.
type examiner struct {
	trust verify.Trust
	now   time.Time
	left  int // messages that may still be found in the present file
	names map[string]int

	buffer []byte
	unread func(name string, err error) // is told what was found and not looked at
}

// name makes a name unique in the report.
func (e *examiner) name(name string) string {
	e.names[name]++
	if n := e.names[name]; n > 1 {
		return e.name(fmt.Sprintf("%s (%d)", name, n))
	}
	return name
}

func newExaminer(o Options, unread func(name string, err error)) *examiner {
	return &examiner{now: o.Now, names: map[string]int{}, buffer: make([]byte, chunk), unread: unread, trust: verify.Trust{
		Anchors: o.Anchors, Directory: o.Directories.For, Revocation: o.Revocation, SHA1Signed: o.SHA1Until, SHA1Issued: sha1Issued(),
	}}
}

// examine verifies a message and what certified mail it encloses, the outermost first. It is read in one way after the other.
func (e *examiner) examine(ctx context.Context, name string, tries ...source) ([]*Item, error) {
	e.left = maxNested
	return e.message(ctx, &Item{Name: e.name(name)}, tries, 0)
}

// readings are the ways to read a message that was found, the likelier first.
func readings(m *mailfile.Message) []source {
	if m.Escaped {
		return []source{{open: m.Open, how: []How{Unescaped}}, {open: m.OpenRaw}}
	}
	return []source{{open: m.Open}}
}

// message verifies the message of an item, which has its name, and then what it encloses.
func (e *examiner) message(ctx context.Context, item *Item, tries []source, depth int) ([]*Item, error) {
	result, err := e.judge(ctx, item, tries)
	if err != nil {
		return nil, err
	}
	if result.Message.Structure.Truncated {
		e.unread(item.Name, errParts)
	}
	items := []*Item{item}
	for _, inner := range enclosed(result.Message.Structure.Root) {
		found, err := e.enclosed(ctx, item, inner, depth+1)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			e.unread(item.Name+" > "+inner.name, err)
		}
		items = append(items, found...)
	}
	return items, nil
}

var (
	errParts = errors.New("it has more parts than are looked at: what certified mail may be in them is not verified")
	errDepth = fmt.Errorf("it is a message within %d messages: save it as a file of its own", maxDepth)
	errMany  = fmt.Errorf("there are more than %d messages in the file: save them as files of their own", maxNested)
)

func (e *examiner) enclosed(ctx context.Context, outer *Item, inner inner, depth int) ([]*Item, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	if e.left--; e.left < 0 {
		return nil, errMany
	}
	item := &Item{Name: e.name(outer.Name + " > " + inner.name), Parent: outer.Name, inside: inner.headless, wrapped: outer.wrapped || outer.Kind == pec.Anomaly}
	found, err := e.message(ctx, item, []source{inner.source(outer.source)}, depth)
	if err != nil {
		return nil, err
	}
	if found[0].Verdict == Ordinary { // what ordinary mail is in it is nobody's question
		found = found[1:]
	}
	return found, nil
}

// judge reads a message in one way after the other until its signature verifies, and describes the item by that reading; by the
// first if none does, or by that with line ends where the first had none.
func (e *examiner) judge(ctx context.Context, item *Item, tries []source) (*verify.Result, error) {
	var chosen *attempt
	for len(tries) > 0 {
		a, err := e.try(ctx, item, tries[0])
		if err != nil {
			return nil, err
		}
		if chosen == nil {
			item.SHA256, item.Size = a.octets.sha256, a.octets.size
		}
		if chosen == nil || a.settled() || len(a.source.how) > len(chosen.source.how) && !chosen.restored() {
			chosen = a
		}
		if a.settled() {
			break
		}
		tries = append(a.others(), tries[1:]...)
	}
	e.describe(item, chosen)
	return chosen.result, nil
}

// attempt is one reading of a message.
type attempt struct {
	source source
	octets octets
	result *verify.Result
}

func (e *examiner) try(ctx context.Context, item *Item, s source) (a *attempt, err error) {
	a = &attempt{source: s}
	if a.octets, err = s.read(ctx, e.buffer); err != nil {
		return nil, err
	}
	a.octets.message.Inside = item.inside
	again := &replay{source: s}
	defer func() { err = errors.Join(err, again.Close()) }()
	if a.result, err = e.trust.Verify(a.octets.message, again); err != nil {
		return nil, err
	}
	a.result.CheckKept()
	return a, nil
}

// settled tells that another reading can say nothing better.
func (a *attempt) settled() bool {
	return a.result.Signature != nil && (a.octets.lead == 0 || a.result.Fault == nil)
}

func (a *attempt) restored() bool { return slices.Contains(a.source.how, LinesRestored) }

// others are the ways to read a message of which this one gave no signature.
func (a *attempt) others() (more []source) {
	m := a.result.Message
	if a.octets.lead > 0 && !slices.Contains(a.source.how, LeadRemoved) {
		return []source{a.source.withoutLead(a.octets.lead)}
	}
	if a.octets.bareLF && !a.restored() && (m.Structure.Root.Is("multipart", "signed") || presents(m)) {
		return []source{a.source.withLines()}
	}
	return nil
}

// inner is a message in a message, or a multipart/signed without a header of its own (quirks.md A8).
type inner struct {
	part     *pec.Part
	name     string
	headless bool
}

// source is where the inner message's octets are.
func (i inner) source(outer source) source {
	if i.headless {
		return outer.section(i.part.Start, i.part.End, PartOnly)
	}
	return outer.part(i.part)
}

// enclosed finds the messages in a message that are signed or say that they are certified mail, the nearest to it; what is in those
// is found when they are read.
func enclosed(root *pec.Part) (found []inner) {
	var look func(p *pec.Part, path string)
	look = func(p *pec.Part, path string) {
		for n, child := range p.Children {
			at := strings.TrimPrefix(path+"."+strconv.Itoa(n+1), ".")
			switch {
			case p.Is("message", "rfc822") && (child.Is("multipart", "signed") || child.Field(pec.HeaderTransport) != "" || child.Field(pec.HeaderReceipt) != ""):
				found = append(found, inner{part: p, name: nameOf(p, path)})
			case p.Is("message", "rfc822"):
				look(child, path)
			case child.Is("multipart", "signed"):
				found = append(found, inner{part: child, name: at, headless: true})
			case hidden(child):
				found = append(found, inner{part: child, name: nameOf(child, at)})
			default:
				look(child, at)
			}
		}
	}
	look(root, "")
	return found
}

// hidden tells an attachment that is a message although the scanner did not look into it: encoded, or by its name only.
func hidden(p *pec.Part) bool {
	named := strings.HasSuffix(strings.ToLower(p.Filename()), ".eml")
	return len(p.Children) == 0 && (p.Is("message", "rfc822") || named)
}

func nameOf(p *pec.Part, path string) string {
	if name := p.Filename(); name != "" {
		return printable(name)
	}
	return path
}
