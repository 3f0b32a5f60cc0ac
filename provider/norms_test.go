package provider

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// norms.md 139: the records of an exchange tell its subject, and hold nothing of the message's body.
func TestRecordsHoldNoBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t).start()
	w.accepted(mixed)
	w.drain()
	for _, m := range w.members() {
		subjects := 0
		for _, f := range m.facts() {
			subjects += bytes.Count(f.Record, []byte("subject Una volta sola\n"))
			for _, body := range []string{"Ciao", base64.StdEncoding.EncodeToString([]byte("Ciao\r\n"))} {
				if bytes.Contains(f.Record, []byte(body)) {
					t.Errorf("%s: a record holds the body:\n%s", m.name, f.Record)
				}
			}
		}
		if subjects == 0 {
			t.Errorf("%s: no record tells the subject", m.name)
		}
	}
}

// norms.md 31, 131, 138: what one step issues bears one instant, in its Date, in its certification data and in the record
// that names it.
func TestOneInstantForEachStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t).start()
	w.accepted(mixed)
	w.drain()
	for _, m := range w.members() {
		issued := m.issuedByID()
		for _, f := range m.facts() {
			r, err := pec.ParseRecord(f.Record)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range r.Events {
				for _, g := range e.Generated {
					m.wantInstant(issued[g.MessageID], g, r.At.Truncate(time.Second))
					delete(issued, g.MessageID)
				}
			}
		}
		for id, message := range issued {
			t.Errorf("%s: no record names the %s %s", m.name, message.Data.Kind, id)
		}
	}
}

// issuedByID are the messages that a member has signed itself.
func (m *member) issuedByID() map[pec.ID]*pec.Message {
	w := m.world
	w.Helper()
	issued, st := map[pec.ID]*pec.Message{}, m.store()
	for _, id := range found(w, st.MessageIDs) {
		octets, err := st.Open(w.ctx, id, nil)
		if err != nil {
			w.Fatal(err)
		}
		scan := pec.NewScanner(pec.KeepForParse)
		_, err = io.Copy(scan, octets.Reader())
		octets.Close()
		if err != nil {
			w.Fatal(err)
		}
		message, err := pec.ParseMessage(scan.Finish())
		if err == nil && message.Data.Issuer == nameOf("pec."+m.name+".test") && message.Consistent(signerOf("pec."+m.name+".test")) == nil {
			issued[pec.ID(pec.BareID(message.Header.Get("Message-ID")))] = message
		}
	}
	return issued
}

func (m *member) wantInstant(message *pec.Message, g pec.Generated, at time.Time) {
	w := m.world
	w.Helper()
	if message == nil || message.Data.Kind != g.Kind {
		w.Errorf("%s: the record names a %s %s that is not there", m.name, g.Kind, g.MessageID)
		return
	}
	if date, err := netmail.ParseDate(message.Header.Get("Date")); err != nil || !date.Equal(at) || !message.Data.At.Equal(at) {
		w.Errorf("%s: the record of a %s says %v, its Date %v (%v), its data %v", m.name, g.Kind, at, date, err, message.Data.At)
	}
}

// facts are all that a member has recorded.
func (m *member) facts() []store.Fact {
	w := m.world
	w.Helper()
	fresh := found(w, m.store().NewFacts) // read first: meanwhile they may get their numbers
	numbered, err := m.store().FactsBetween(w.ctx, 1, 1000)
	if err != nil {
		w.Fatal(err)
	}
	fresh = slices.DeleteFunc(fresh, func(f store.Fact) bool {
		return slices.ContainsFunc(numbered, func(n store.Fact) bool { return n.ID == f.ID })
	})
	return append(numbered, fresh...)
}

// norms.md 160: a mailbox that is disabled sends nothing more; what it sent before goes its way, and its holder is told so.
func TestDisabledSenderIsToldAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.toBeta.gate = newGate()
	w.start()
	id := w.accepted(single)
	if err := w.alfa.store().SetEnabled(w.ctx, marioAlfa, false); err != nil {
		t.Fatal(err)
	}
	if text, err := w.submit(mixed); err == nil {
		t.Errorf("accepted: %s", text)
	}
	w.toBeta.gate.open()
	w.drain()
	w.wantOnce(single, id)
}

// norms.md 41: a provider that is stopped while a notice falls due issues it once it runs again, and never twice.
func TestNoticesSurviveRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.toBeta.gate = newGate() // nobody gets through
	w.start()
	w.accepted(single)
	for _, life := range []struct {
		after   time.Duration
		notices int
	}{{11 * time.Hour, 0}, {2 * time.Hour, 1}, {0, 1}, {8 * time.Hour, 1}, {2 * time.Hour, 2}, {0, 2}, {24 * time.Hour, 2}} {
		w.alfa.stop()
		w.clock.Advance(life.after)
		w.alfa.start()
		w.await("the notices are there", func() bool { return len(w.alfa.notices()) >= life.notices })
		if got := w.alfa.notices(); len(got) != life.notices {
			t.Errorf("%s later there are %q, want %d", life.after, got, life.notices)
		}
	}
	w.drain()
	if got := w.alfa.notices(); len(got) != 2 {
		t.Errorf("in the end there are %q", got)
	}
}

// notices are the overdue notices that a member has issued.
func (m *member) notices() []string {
	return slices.DeleteFunc(m.outcome(), func(line string) bool {
		return !strings.Contains(line, ": issued ") || !strings.Contains(line, string(pec.Overdue))
	})
}

// norms.md 143: no service takes less than TLS 1.2, nor a cipher suite without forward secrecy or with a broken cipher.
func TestTLSIsModern(t *testing.T) {
	t.Parallel()
	w := newWorld(t).start()
	for name, c := range map[string]struct {
		version uint16
		suite   uint16 // the only one offered; 0: all good ones
		fault   string
	}{
		"TLS 1.0":          {tls.VersionTLS10, 0, "protocol version"},
		"TLS 1.1":          {tls.VersionTLS11, 0, "protocol version"},
		"TLS 1.2":          {tls.VersionTLS12, 0, ""},
		"TLS 1.3":          {tls.VersionTLS13, 0, ""},
		"a good suite":     {tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, ""},
		"no secrecy later": {tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "handshake failure"},
		"triple DES":       {tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, "handshake failure"},
		"RC4":              {tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, "handshake failure"},
	} {
		for _, service := range []string{"smtp", "submissions", "imaps"} {
			config := &tls.Config{RootCAs: preparedHouses().roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS10, MaxVersion: c.version}
			if c.suite != 0 {
				config.CipherSuites = []uint16{c.suite}
			}
			err := w.handshake(w.alfa.address(service), service == "smtp", config)
			if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s over %s: %v", service, name, err)
			}
		}
	}
}

// handshake begins TLS at once or after STARTTLS.
func (w *world) handshake(address string, startTLS bool, config *tls.Config) error {
	w.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	if startTLS {
		c := textproto.NewConn(conn)
		for _, said := range []struct {
			line string
			code int
		}{{"", 220}, {"EHLO client.test\r\n", 250}, {"STARTTLS\r\n", 220}} {
			if _, err := conn.Write([]byte(said.line)); err != nil {
				w.Fatal(err)
			}
			if _, _, err := c.ReadResponse(said.code); err != nil {
				w.Fatal(err)
			}
		}
	}
	return tls.Client(conn, config).HandshakeContext(w.ctx)
}
