package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// told is a story in few words.
func told(s *Story) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s proven=%t refused=%t\n", s.ID, s.Proven, s.Refused)
	for _, r := range s.Recipients {
		fmt.Fprintf(&b, "%s %s\n", r.Address, r.State)
	}
	for _, m := range s.Missing {
		fmt.Fprintf(&b, "missing %s %s\n", m.Kind, m.Recipient)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "%s %s %s\n", p.Code, names(p.Messages), p.Recipient)
	}
	for _, c := range s.Originals {
		fmt.Fprintf(&b, "original %s %s same=%t by hash=%t\n", c.Message, c.Given, c.Same, c.ByHash)
	}
	return b.String()
}

// What the messages at hand say of each recipient, what is missing, and what does not fit.
// attacks.md 15
func TestStories(t *testing.T) {
	l := plain()
	hour := time.Hour
	accepted := alfa().signs(l, pec.Acceptance, "", 0)
	toLuigi, toAnna := beta().signs(l, pec.Delivered, luigi, hour), beta().signs(l, pec.Delivered, anna, hour)
	failedAnna := beta().signs(l, pec.NonDelivery, anna, hour)
	external := plain()
	external.to = append(external.to, carla)
	stranger := plain()
	stranger.to = []pec.Address{luigi, "gino@pec.beta.test"}
	other := plain()
	other.client = "<77@client.test>"
	early := plain()
	early.acceptedAt = sentAt.AddDate(0, 0, -3)
	virus := l.message(pec.VirusDetected, anna, hour)
	virus.Data.DeliveredTo, virus.Data.Reason, virus.Data.Detail = anna, pec.ReasonVirus, "5.7.1 - Beta - virus"
	const id = "m1@pec.alfa.test"
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"all is there": {map[string][]byte{"1": accepted, "2": toLuigi, "3": toAnna},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test delivered\n"},
		"one is missing": {map[string][]byte{"1": accepted, "2": toLuigi},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test accepted\nmissing avvenuta-consegna anna@pec.beta.test\n"},
		"the acceptance is missing": {map[string][]byte{"2": toLuigi, "3": failedAnna},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test not-delivered\nmissing accettazione \n"},
		"an envelope alone misses nothing": {map[string][]byte{"1": alfa().signs(l, pec.Transport, "", 0)},
			id + " proven=true refused=false\nluigi@pec.beta.test nothing\nanna@pec.beta.test nothing\n"},
		"external recipients get no receipts": {map[string][]byte{"1": alfa().signs(external, pec.Acceptance, "", 0), "2": beta().signs(external, pec.Delivered, luigi, hour), "3": beta().signs(external, pec.Delivered, anna, hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test delivered\ncarla@posta.test external\n"},
		"not accepted": {map[string][]byte{"1": alfa().signs(l, pec.NonAcceptance, "", 0)},
			id + " proven=true refused=true\nluigi@pec.beta.test not-accepted\nanna@pec.beta.test not-accepted\n"},
		"silence": {map[string][]byte{"1": accepted, "2": toLuigi, "3": alfa().signs(l, pec.Overdue, anna, 12*hour), "4": alfa().signs(l, pec.Overdue, anna, 23*hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test overdue-final\n"},
		"silence, so far": {map[string][]byte{"1": accepted, "2": toLuigi, "3": alfa().signs(l, pec.Overdue, anna, 12*hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test overdue\nmissing avvenuta-consegna anna@pec.beta.test\n"},
		"late, but delivered": {map[string][]byte{"1": accepted, "2": toLuigi, "3": alfa().signs(l, pec.Overdue, anna, 23*hour), "4": beta().signs(l, pec.Delivered, anna, 30*hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test delivered\n"},
		"taken in charge": {map[string][]byte{"1": accepted, "2": beta().signs(l, pec.TakenInCharge, anna, hour), "3": toLuigi},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test taken-in-charge\nmissing avvenuta-consegna anna@pec.beta.test\n"},
		"contradiction": {map[string][]byte{"1": accepted, "2": toLuigi, "3": toAnna, "4": failedAnna},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test contradiction\ncontradiction 3, 4 anna@pec.beta.test\n"},
		"the same twice": {map[string][]byte{"1": accepted, "2": toLuigi, "3": toAnna, "4": toAnna},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test delivered\nrepeated 3, 4 \n"},
		"two that say the same": {map[string][]byte{"1": accepted, "2": toLuigi, "3": toAnna, "4": beta().signs(l, pec.Delivered, anna, 2*hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test delivered\ndiffers 3, 4 anna@pec.beta.test\n"},
		"forged receipts change nothing": {map[string][]byte{"1": accepted, "2": toLuigi, "3": thief().signs(l, pec.Delivered, anna, hour), "4": edit(toAnna, "Si diffida", "Si sfida"), "5": gamma().signs(l, pec.Delivered, anna, hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test accepted\nmissing avvenuta-consegna anna@pec.beta.test\n"},
		"about somebody to whom nothing was sent": {map[string][]byte{"1": accepted, "2": toLuigi, "3": toAnna, "4": beta().signs(stranger, pec.Delivered, "gino@pec.beta.test", hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test delivered\nstranger 4 gino@pec.beta.test\n"},
		"about another message of the client": {map[string][]byte{"1": accepted, "2": toLuigi, "3": beta().signs(other, pec.Delivered, anna, hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test accepted\nmissing avvenuta-consegna anna@pec.beta.test\nreference 3 \n"},
		"before it was accepted": {map[string][]byte{"1": accepted, "2": toLuigi, "3": beta().signs(early, pec.Delivered, anna, 0)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test accepted\nmissing avvenuta-consegna anna@pec.beta.test\norder 3 \n"},
		"accepted and not accepted": {map[string][]byte{"1": accepted, "2": alfa().signs(l, pec.NonAcceptance, "", 0), "3": toLuigi, "4": toAnna},
			id + " proven=true refused=true\nluigi@pec.beta.test contradiction\nanna@pec.beta.test contradiction\ncontradiction 1, 2 luigi@pec.beta.test\ncontradiction 3, 2 luigi@pec.beta.test\ncontradiction 1, 2 anna@pec.beta.test\ncontradiction 4, 2 anna@pec.beta.test\n"},
		"a virus is told by both providers": {map[string][]byte{"1": accepted, "2": toLuigi, "3": beta().seal(virus, ""), "4": alfa().signs(l, pec.NonDelivery, anna, 2*hour)},
			id + " proven=true refused=false\nluigi@pec.beta.test delivered\nanna@pec.beta.test not-delivered\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for file, octets := range c.files {
				files[file+".eml"] = octets
			}
			r := examined(t, usual(), files)
			if len(r.Stories) != 1 {
				t.Fatalf("%d stories of %v", len(r.Stories), summary(r))
			}
			got := strings.ReplaceAll(told(r.Stories[0]), ".eml", "")
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s\n%v", got, c.want, summary(r))
			}
		})
	}
}

// Without anchors nothing is proven, and everything is said not to be.
func TestNothingIsProvenWithoutAnchors(t *testing.T) {
	l := plain()
	r := examined(t, Options{Now: usual().Now}, map[string][]byte{"1.eml": alfa().signs(l, pec.Acceptance, "", 0), "2.eml": beta().signs(l, pec.Delivered, luigi, time.Hour)})
	expect(t, r, "1.eml: unknown no-anchors", "2.eml: unknown no-anchors")
	if s := r.Stories[0]; s.Proven || s.Recipients[0].State != StateDelivered {
		t.Errorf("%s", told(s))
	}
	var text bytes.Buffer
	if err := r.WriteText(&text, English); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "luigi@pec.beta.test: delivered (not proven)") {
		t.Error(text.String())
	}
}

// A valid message outweighs an unknown one about the same.
func TestOnlyTheProvenCount(t *testing.T) {
	l := plain()
	o := usual()
	o.Now = sentAt.Add(2 * time.Hour) // the delivery lies in the future
	r := examined(t, o, map[string][]byte{"1.eml": alfa().signs(l, pec.Acceptance, "", 0), "2.eml": beta().signs(l, pec.Delivered, luigi, 30*time.Hour)})
	expect(t, r, "1.eml: valid", "2.eml: unknown time-in-future")
	if s := r.Stories[0]; !s.Proven || s.Recipients[0].State != StateAccepted {
		t.Errorf("%s", told(s))
	}
}

// Two senders, or two providers, may use one identifier: their messages have nothing to do with each other (attacks.md 3).
func TestStoriesAreApart(t *testing.T) {
	l := plain()
	theirs := l.message(pec.Transport, "", 0)
	theirs.Data.Sender, theirs.Original = "gino@pec.gamma.test", bytes.Replace(theirs.Original, []byte(mario), []byte("gino@pec.gamma.test"), 1)
	r := examined(t, usual(), map[string][]byte{"1.eml": alfa().signs(l, pec.Acceptance, "", 0), "2.eml": gamma().seal(theirs, l.body)})
	expect(t, r, "1.eml: valid", "2.eml: valid")
	if len(r.Stories) != 2 {
		t.Errorf("%d stories", len(r.Stories))
	}
}

// The message that was sent, as the sender's program kept it, is compared with what was certified (RFC 6109 3.3.2.2).
// norms.md 83 to 88
func TestOriginals(t *testing.T) {
	whole, brief, concise := plain(), withFile(), plain()
	concise.id, concise.client, concise.receipt = "m3@pec.alfa.test", "<3@client.test>", pec.Concise
	two := plain() // two messages in one body, of which the header chooses
	two.header, two.body = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"one\"\r\n", "--one\r\n\r\nPago 10.\r\n--one--\r\n--two\r\n\r\nPago 1000.\r\n--two--\r\n"
	another := withFile()
	another.body = strings.Replace(another.body, "SGVsbG8=", "SGVsbG9v", 1)
	for name, c := range map[string]struct {
		certified, given letter
		change           func([]byte) []byte
		want             string
	}{
		"complete":                   {whole, whole, nil, "original 2.eml 3.eml same=true by hash=false\n"},
		"complete, with bare LF":     {whole, whole, lf, "original 2.eml 3.eml same=true by hash=false\n"},
		"complete, with lines after": {whole, whole, func(o []byte) []byte { return append(o, "\r\n\r\n"...) }, "original 2.eml 3.eml same=true by hash=false\n"},
		"complete, altered":          {whole, whole, func(o []byte) []byte { return edit(o, "diffida", "sfida") }, "other-original 2.eml, 3.eml \noriginal 2.eml 3.eml same=false by hash=false\n"},
		"brief":                      {brief, brief, nil, "original 2.eml 3.eml same=true by hash=true\n"},
		"brief, other attachment":    {brief, another, nil, "other-original 2.eml, 3.eml \noriginal 2.eml 3.eml same=false by hash=true\n"},
		"brief, other name":          {brief, brief, func(o []byte) []byte { return bytes.ReplaceAll(o, []byte("atto.pdf"), []byte("altro.pdf")) }, "other-original 2.eml, 3.eml \noriginal 2.eml 3.eml same=false by hash=true\n"},
		"other parts of one body":    {two, two, func(o []byte) []byte { return edit(o, `boundary="one"`, `boundary="two"`) }, "other-original 2.eml, 3.eml \noriginal 2.eml 3.eml same=false by hash=false\n"},
		"other subject":              {whole, whole, func(o []byte) []byte { return edit(o, "Subject: Diffida", "Subject: Disdetta") }, "other-original 2.eml, 3.eml \noriginal 2.eml 3.eml same=false by hash=false\n"},
		"a second subject":           {whole, whole, func(o []byte) []byte { return edit(o, "Message-ID:", "Subject: Pago\r\nMessage-ID:") }, "other-original 2.eml, 3.eml \noriginal 2.eml 3.eml same=false by hash=false\n"},
		"concise":                    {concise, concise, nil, ""},
		"of another's":               {whole, whole, func(o []byte) []byte { return edit(o, "From: mario@", "From: maria@") }, ""},
		"another message":            {whole, whole, func(o []byte) []byte { return edit(o, "Message-ID: <1@", "Message-ID: <2@") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sent := c.given.sent()
			if c.change != nil {
				sent = c.change(sent)
			}
			r := examined(t, usual(), map[string][]byte{
				"1.eml": alfa().signs(c.certified, pec.Acceptance, "", 0), "2.eml": beta().signs(c.certified, pec.Delivered, luigi, time.Hour), "3.eml": sent,
			})
			expect(t, r, "1.eml: valid", "2.eml: valid", "3.eml: ordinary")
			_, got, _ := strings.Cut(told(r.Stories[0]), "missing avvenuta-consegna anna@pec.beta.test\n")
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// What a provider put into an anomaly envelope is not right: its being there proves nothing of what it says.
// attacks.md 15, 34
func TestReceiptsInAnomalyEnvelopesCountForNothing(t *testing.T) {
	l := plain()
	head, body, _ := strings.Cut(string(beta().signs(l, pec.Delivered, luigi, time.Hour)), "\r\n\r\n")
	anomaly := l.message(pec.Anomaly, "", time.Hour)
	anomaly.Data.Detail, anomaly.MessageID, anomaly.Original = "certificato revocato", "an@pec.alfa.test", []byte(head+"\r\n\r\n")
	files := map[string][]byte{"1.eml": alfa().signs(l, pec.Acceptance, "", 0), "2.eml": alfa().seal(anomaly, body)}
	r := examined(t, usual(), files)
	expect(t, r, "1.eml: valid", "2.eml: valid", "2.eml > postacert.eml: valid")
	if s := r.Stories[0]; s.Recipients[0].State != StateAccepted || s.Events[1].Counted {
		t.Errorf("%s", told(s))
	}
	files["3.eml"] = beta().signs(l, pec.Delivered, luigi, time.Hour) // the same outside counts
	if s := examined(t, usual(), files).Stories[0]; s.Recipients[0].State != StateDelivered {
		t.Errorf("%s", told(s))
	}
}

// The digits of a hash in a part that is no hash are what the sender wrote, and stand for nothing else.
// attacks.md 34
func TestHashesThatTheSenderWrote(t *testing.T) {
	const secret = "Vi cedo la casa."
	sum := sha256.Sum256([]byte(secret))
	l := withFile()
	l.body = strings.Replace(l.body, "In allegato.", hex.EncodeToString(sum[:]), 1)
	given := edit(l.sent(), hex.EncodeToString(sum[:]), secret)
	r := examined(t, usual(), map[string][]byte{"1.eml": beta().signs(l, pec.Delivered, luigi, time.Hour), "2.eml": given})
	if c := r.Stories[0].Originals; len(c) != 1 || c[0].Same {
		t.Errorf("%s", told(r.Stories[0]))
	}
}
