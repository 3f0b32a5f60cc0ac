package evidence

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// Mario of Alfa writes to Luigi and Anna of Beta, and to Carla, who has no certified mailbox.
const (
	mario = pec.Address("mario@pec.alfa.test")
	luigi = pec.Address("luigi@pec.beta.test")
	anna  = pec.Address("anna@pec.beta.test")
	carla = pec.Address("carla@posta.test")
)

// sentAt is when Mario writes.
var sentAt = time.Date(2024, 3, 5, 10, 0, 0, 0, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(name string) *authority {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: sentAt.AddDate(-10, 0, 0), NotAfter: sentAt.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return &authority{must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))), key}
}

// house is a provider.
type house struct {
	entry  *directory.Entry
	signer *smime.Signer
	key    crypto.Signer
	from   pec.Address
}

func newHouse(name string, ca *authority) *house {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	h := &house{key: key, from: pec.Address("posta-certificata@pec." + name + ".test")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{Organization: []string{name}, CommonName: "Posta Certificata"}, EmailAddresses: []string{string(h.from)},
		NotBefore: sentAt.AddDate(-1, 0, 0), NotAfter: sentAt.AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
	cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key))))
	h.signer = must(smime.NewSigner(key, []*x509.Certificate{cert}))
	h.entry = &directory.Entry{Provider: name, Certificates: []*x509.Certificate{cert}, ServiceMailbox: "ricevute@pec." + name + ".test", Domains: []string{"pec." + name + ".test"}}
	return h
}

var (
	agid   = sync.OnceValue(func() *authority { return newAuthority("AgID CA1") })
	nobody = sync.OnceValue(func() *authority { return newAuthority("nobody") })
	alfa   = sync.OnceValue(func() *house { return newHouse("alfa", agid()) })
	beta   = sync.OnceValue(func() *house { return newHouse("beta", agid()) })
	gamma  = sync.OnceValue(func() *house { return newHouse("gamma", agid()) })
	thief  = sync.OnceValue(func() *house { return newHouse("beta", nobody()) })
)

// published is the directory as the authority signed it at an instant.
func published(at time.Time, houses ...*house) *directory.Directory {
	var entries []*directory.Entry
	for _, h := range houses {
		entries = append(entries, h.entry)
	}
	signed := must(alfa().signer.SignAttached(must(directory.Marshal(entries, "")), at)) // any key does for the authority's
	return must(directory.Open(signed, alfa().signer.Certificate()))
}

// letter is a message that was sent, as the sender's program keeps it.
type letter struct {
	id         pec.ID
	client     string
	to         []pec.Address
	subject    string
	header     string // more fields
	body       string
	receipt    pec.ReceiptType
	acceptedAt time.Time
}

func plain() letter {
	return letter{
		id: "m1@pec.alfa.test", client: "<1@client.test>", to: []pec.Address{luigi, anna}, subject: "Diffida", header: "Content-Type: text/plain\r\n",
		body: "Si diffida.\r\nFrom me, with regards\r\n", receipt: pec.Complete, acceptedAt: sentAt,
	}
}

// withFile is a letter with an attachment, whose receipts are brief.
func withFile() letter {
	l := plain()
	l.id, l.client, l.receipt = "m2@pec.alfa.test", "<2@client.test>", pec.Brief
	l.header = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n"
	l.body = "--b\r\nContent-Type: text/plain\r\n\r\nIn allegato.\r\n--b\r\nContent-Type: application/pdf; name=\"atto.pdf\"\r\nContent-Disposition: attachment; filename=\"atto.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n--b--\r\n"
	return l
}

func (l letter) fields(messageID string) string {
	var names []string
	for _, a := range l.to {
		names = append(names, string(a))
	}
	return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: %s\r\n%s", mario, strings.Join(names, ",\r\n "), l.subject, messageID, l.header)
}

// sent is the message as it was given to the provider.
func (l letter) sent() []byte { return []byte(l.fields(l.client) + "\r\n" + l.body) }

// original is the header of postacert.eml.
func (l letter) original() []byte {
	return []byte(l.fields(l.id.Bracketed()) + "X-Riferimento-Message-ID: " + l.client + "\r\n\r\n")
}

// message is a message about a letter; after says how much later.
func (l letter) message(kind pec.Kind, about pec.Address, after time.Duration) pec.Composition {
	c := pec.Composition{
		MessageID: pec.ID(fmt.Sprintf("r%d.%s.%s", len(kind), about.Local(), "x@pec.alfa.test")), To: mario, Boundary: boundaryFor(string(l.id), string(kind), string(about)),
		Data: pec.CertData{Kind: kind, Sender: mario, Subject: l.subject, Issuer: "Gestore", At: l.acceptedAt.Add(after), ID: l.id, ClientID: pec.ClientID(l.client)},
	}
	d := &c.Data
	for _, a := range l.to {
		r := pec.Recipient{Address: a, Type: pec.Certified}
		if a == carla {
			r.Type = pec.External
		}
		d.Recipients = append(d.Recipients, r)
	}
	switch kind {
	case pec.Transport:
		c.MessageID, c.To, c.Original, d.ReceiptType = l.id, "", l.original(), l.receipt
	case pec.TakenInCharge:
		d.TakenFor = []pec.Address{about}
	case pec.Delivered:
		d.DeliveredTo, d.ReceiptType = about, l.receipt
		if l.receipt != pec.Concise {
			c.Original = l.original()
		}
	case pec.NonAcceptance:
		d.Reason, d.Detail = pec.ReasonOther, "5.7.1 - Alfa - no"
	case pec.NonDelivery:
		d.DeliveredTo, d.Reason, d.Detail = about, pec.ReasonNoRecipient, "5.1.1 - Beta - no"
	case pec.Overdue:
		d.DeliveredTo, d.Reason, d.Detail = about, pec.ReasonOther, pec.OverdueDetail("Alfa", after > 12*time.Hour)
	}
	return c
}

// boundaryFor is another one for each message.
func boundaryFor(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, " ")))
	return hex.EncodeToString(sum[:16])
}

// signs is a message about a letter, as a house makes and signs it.
func (h *house) signs(l letter, kind pec.Kind, about pec.Address, after time.Duration) []byte {
	return h.seal(l.message(kind, about, after), l.enclosed(kind))
}

// enclosed is the body of the original in a message of a kind.
func (l letter) enclosed(kind pec.Kind) string {
	if kind != pec.Delivered || l.receipt != pec.Brief {
		return l.body
	}
	scan := pec.NewScanner(nil)
	_, _ = scan.Write(append(l.original(), l.body...))
	structure := scan.Finish()
	plan := must(pec.PlanBrief(structure, structure.Root, l.original()))
	return string(must(io.ReadAll(plan.Shorten(crypto.SHA1, strings.NewReader(l.body)))))
}

func (h *house) seal(c pec.Composition, body string) []byte {
	c.SigningAddress = cmp.Or(c.SigningAddress, h.from)
	c.Data.Issuer = strings.ToUpper(h.entry.Provider[:1]) + h.entry.Provider[1:] + " PEC"
	d := must(pec.Compose(c))
	if !d.HasOriginal {
		body = ""
	}
	signed := []byte(string(d.Before) + body + string(d.After))
	d.Before, d.After, d.HasOriginal = signed, nil, false
	before, _ := d.Assemble(must(h.signer.SignDetached(sha256.Sum256(signed), c.Data.At)))
	return before
}

// usual is what most tests trust in.
func usual() Options {
	return Options{
		Anchors: smime.NewAnchors(agid().cert), Directories: NewDirectories(published(sentAt.Add(-time.Hour), alfa(), beta(), gamma())),
		SHA1Until: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Now: sentAt.AddDate(2, 0, 0),
	}
}

// examined is the report on files of a folder, whose names begin with nothing more than their own.
func examined(t testing.TB, o Options, files map[string][]byte) *Report {
	t.Helper()
	dir := t.TempDir()
	for name, octets := range files {
		if err := os.WriteFile(filepath.Join(dir, name), octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Examine(context.Background(), []string{dir}, o)
	if err != nil {
		t.Fatal(err)
	}
	r.rename(func(name string) string {
		return strings.ReplaceAll(strings.ReplaceAll(name, dir+string(filepath.Separator), ""), dir, "")
	})
	return r
}

// rename changes every name that a report gives.
func (r *Report) rename(change func(string) string) {
	each := func(names ...*string) {
		for _, n := range names {
			*n = change(*n)
		}
	}
	list := func(names []string) {
		for i := range names {
			each(&names[i])
		}
	}
	for _, i := range r.Messages {
		each(&i.Name, &i.Parent)
	}
	for i := range r.Unread {
		each(&r.Unread[i].Name)
	}
	for _, s := range r.Stories {
		for i := range s.Events {
			each(&s.Events[i].Message)
		}
		for i := range s.Problems {
			list(s.Problems[i].Messages)
		}
		for i := range s.Originals {
			each(&s.Originals[i].Message, &s.Originals[i].Given)
		}
		for _, p := range s.Recipients {
			list(p.Messages)
		}
	}
}

// summary is a report in few words: each message's name, verdict and reasons.
func summary(r *Report) (lines []string) {
	for _, i := range r.Messages {
		text := i.Name + ": " + string(i.Verdict)
		for _, reason := range i.Reasons {
			text += " " + string(reason.Code)
		}
		lines = append(lines, text)
	}
	for _, u := range r.Unread {
		lines = append(lines, u.Name+": unread: "+u.Why)
	}
	return lines
}

func expect(t testing.TB, r *Report, want ...string) {
	t.Helper()
	if got := strings.Join(summary(r), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// edit replaces a text once, which must be there.
func edit(octets []byte, old, new string) []byte {
	if !bytes.Contains(octets, []byte(old)) {
		panic(old + " is not there")
	}
	return bytes.Replace(octets, []byte(old), []byte(new), 1)
}
