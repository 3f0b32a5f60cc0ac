package evidence

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/verify"
)

// signedInFuture is how far ahead of the report a signing time may lie.
const signedInFuture = time.Hour

// describe fills an item with what an attempt found.
func (e *examiner) describe(item *Item, a *attempt) {
	r := a.result
	item.source, item.How, item.bareLF = a.source, a.source.how, a.octets.bareLF
	e.decide(item, r)
	if item.Verdict == Ordinary {
		item.ordinary(headerOf(r.Message))
		return
	}
	item.certified(r.Message)
	item.signature(r)
	for _, n := range r.Notes() {
		item.Notes = append(item.Notes, Remark{n.Reason, printable(n.What)})
	}
	item.NotShown = limits(item, r)
}

// headerOf is a message's header, whatever line ends it is stored with.
func headerOf(m *pec.Message) pec.Header {
	h, err := pec.ParseHeader(m.Structure.Root.Header)
	if err != nil {
		lines := bytes.ReplaceAll(m.Structure.Root.Header, []byte("\r\n"), []byte("\n"))
		h, _ = pec.ParseHeader(bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n")))
	}
	return h
}

// presents tells whether a message says that it is certified mail: by its header, or by certification data in a message that is
// signed or bears a subject of certified mail. Other mail may have such data attached, as people and lists pass them on
// (quirks.md A8).
func presents(m *pec.Message) bool {
	h := headerOf(m)
	switch {
	case h.Get(pec.HeaderTransport) != "" || h.Get(pec.HeaderReceipt) != "":
		return true
	case !m.LooksLikePEC() || slices.ContainsFunc(enclosed(m.Structure.Root), func(i inner) bool { return i.headless }):
		return false
	}
	_, entitled := pec.CutSubjectPrefix(pec.DecodeWords(h.Get("Subject")))
	return entitled || m.Structure.Root.Is("multipart", "signed")
}

// decide gives the verdict. What fails a check and does not say that it is certified mail is nothing that needs one.
func (e *examiner) decide(item *Item, r *verify.Result) {
	switch {
	case r.Fault != nil && !presents(r.Message):
		item.Verdict = Ordinary
		return
	case r.Fault != nil:
		item.Verdict = Invalid
		item.Reasons = []Reason{{r.Fault.Check, r.Fault.Reason, printable(r.Fault.Err.Error())}}
		return
	}
	for _, d := range r.Doubts {
		item.Reasons = append(item.Reasons, Reason{d.Check, d.Reason, printable(d.What)})
	}
	if r.At.After(e.now.Add(signedInFuture)) {
		item.Reasons = append(item.Reasons, Reason{verify.Validity, FutureTime, "it says to be signed at " + r.At.UTC().Format(time.RFC3339)})
	}
	item.Verdict = Valid
	if len(item.Reasons) > 0 {
		item.Verdict = Unknown
	}
}

// ordinary tells what the header says.
func (item *Item) ordinary(h pec.Header) {
	read := pec.ReadOriginal(h)
	item.Subject = printable(read.Subject)
	if len(read.From) > 0 {
		item.Sender = string(read.From[0])
	}
	for _, to := range append(read.To, read.Cc...) {
		item.Recipients = append(item.Recipients, To{Address: string(to)})
	}
	item.ClientID = printable(pec.BareID(h.Get("Message-ID")))
	for _, name := range []string{"Message-ID", pec.HeaderReference} {
		if id := pec.BareID(h.Get(name)); id != "" {
			item.refers = append(item.refers, id)
		}
	}
}

// certified tells what the certification data say; of an anomaly envelope, which has none, what its header does.
func (item *Item) certified(m *pec.Message) {
	if !m.HasData {
		if m.Transport == string(pec.Anomaly) {
			item.Kind = pec.Anomaly
		}
		item.Subject = printable(pec.DecodeWords(m.Header.Get("Subject")))
		return
	}
	d := m.Data
	item.Kind, item.Provider, item.Sender = d.Kind, printable(d.Issuer), printable(string(d.Sender))
	item.Subject, item.ID, item.ClientID = printable(d.Subject), d.ID, printable(pec.BareID(string(d.ClientID)))
	item.ReceiptType, item.Error, item.Detail, item.final = d.ReceiptType, d.Reason, printable(d.Detail), d.Final()
	item.At = instant(d.At)
	for _, r := range d.Recipients {
		item.Recipients = append(item.Recipients, To{printable(string(r.Address)), r.Type})
	}
	about := d.TakenFor
	if d.DeliveredTo != "" {
		about = []pec.Address{d.DeliveredTo}
	}
	for _, a := range about {
		item.About = append(item.About, printable(string(a)))
	}
}

// signature tells what is known of the signature, if it verifies.
func (item *Item) signature(r *verify.Result) {
	if r.Signature == nil {
		return
	}
	item.Signature = &Signature{
		At: instant(r.Signature.SigningTime), Digest: r.Signature.Hash.String(), Signed: hex.EncodeToString(r.Digest), Signer: certificate(r.Signature.Certificate),
	}
	item.act = item.Signature.Signer.SHA256 + " " + item.Signature.Signed
	for _, c := range r.Path {
		item.Signature.Path = append(item.Signature.Path, certificate(c))
	}
	item.Signature.Weak = weaknesses(r.Signature.Weaknesses(r.Path))
	if r.Directory != nil {
		item.Directory = &InForce{SignedAt: r.Directory.SignedAt(), ThatDay: r.Then}
		if r.Entry != nil {
			item.Directory.Provider = printable(r.Entry.Provider)
		}
	}
	if s := r.Revocation; s.State != "" {
		item.Revocation = &Revocation{State: s.State, At: instant(s.At), Reason: s.Reason, AsOf: instant(s.AsOf), Source: printable(s.Source), Why: printable(s.Why), Later: s.Later != nil}
	}
}

// limits are what the verdict leaves open.
func limits(item *Item, r *verify.Result) []Limit {
	if item.Verdict == Invalid {
		return nil
	}
	all := []Limit{LimitTime, LimitPerson}
	add := func(l Limit, is bool) {
		if is {
			all = append(all, l)
		}
	}
	state := r.Revocation.State
	add(LimitRevocation, state == "" || state == revocation.Unknown)
	add(LimitDirectory, r.Directory == nil)
	add(LimitOtherDay, r.Directory != nil && !r.Then)
	add(LimitDigest, len(item.Signature.Weak) > 0)
	add(LimitHashes, item.Kind == pec.Delivered && item.ReceiptType == pec.Brief)
	add(LimitContent, item.Kind.Receipt() && r.Message.Original == nil)
	add(LimitHeader, item.inside)
	add(LimitWrapped, item.Kind == pec.Anomaly)
	return all
}

func certificate(c *x509.Certificate) Certificate {
	sum := sha256.Sum256(c.Raw)
	return Certificate{
		Subject: printable(c.Subject.String()), Issuer: printable(c.Issuer.String()), Serial: c.SerialNumber.Text(16), From: c.NotBefore.UTC(), Until: c.NotAfter.UTC(),
		SHA256: hex.EncodeToString(sum[:]),
	}
}

func instant(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

// printable is foreign text that cannot move a terminal's cursor or turn the direction of what stands beside it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "�"))
}
