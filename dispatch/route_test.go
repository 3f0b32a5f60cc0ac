package dispatch

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tlsPeer takes one message over TLS, or sees the client give up in the handshake.
func tlsPeer(config *tls.Config) func(*peer) {
	return func(p *peer) {
		p.welcome("STARTTLS", "PIPELINING")
		if p.startTLS(config) {
			p.ehlo("SIZE") // no PIPELINING any more: what was announced in clear text is forgotten
			p.takes()
			p.bye()
		}
	}
}

func with(r Route, change func(*Route)) Route {
	change(&r)
	return r
}

// norms.md 142, 143
func TestTrust(t *testing.T) {
	good, goodPin := server(dies, false)
	late, latePin := server(born.Add(time.Hour), false)
	own, ownPin := server(born.Add(time.Hour), true)
	unknown, _ := server(dies, true)
	old := good.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	tls12 := good.Clone()
	tls12.MaxVersion = tls.VersionTLS12
	for _, c := range []struct {
		name   string
		server *tls.Config
		route  Route
		fault  string // of the TLSError; "" is trusted
	}{
		{"root and name of the address", good, secure(), ""},
		{"TLS 1.2", tls12, secure(), ""},
		{"name of the route", good, with(secure(), func(r *Route) { r.Address, r.TLSName = "relay.test:25", "mx.peer.test" }), ""},
		{"name with the dot of the DNS", good, with(secure(), func(r *Route) { r.Address = "mx.peer.test.:25" }), ""},
		{"IP address", good, with(secure(), func(r *Route) { r.Address = "127.0.0.1:25" }), ""},
		{"another name", good, with(secure(), func(r *Route) { r.TLSName = "mx.other.test" }), "not mx.other.test"},
		{"expired", late, secure(), "expired"},
		{"self-signed", unknown, secure(), "unknown authority"},
		{"no roots", good, with(secure(), func(r *Route) { r.Roots = nil }), "no roots"},
		{"other roots", good, with(secure(), func(r *Route) { r.Roots = x509.NewCertPool() }), "unknown authority"},
		{"self-signed, expired, other name, with its pin", own, Route{Address: "relay.test:25", Pins: [][]byte{goodPin, ownPin}}, ""},
		{"another's pin", own, Route{Address: "mx.peer.test:25", Pins: [][]byte{goodPin, latePin}}, "no pin matches"},
		{"an empty pin", own, Route{Address: "mx.peer.test:25", Pins: [][]byte{nil, {}}}, "no pin matches"},
		{"root without the pin", good, with(secure(), func(r *Route) { r.Pins = [][]byte{ownPin} }), ""},
		{"TLS 1.1", old, secure(), "protocol version"},
		{"anybody outside PEC", own, clear, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newPool(t, script(t, tlsPeer(c.server))).Send(t.Context(), c.route, mail())
				checkTrust(t, o, c.fault)
			})
		})
	}
}

func checkTrust(t *testing.T, o Outcome, fault string) {
	t.Helper()
	var failed *TLSError
	switch {
	case fault == "" && (codes(o) != "250 2.0.0" || o.Err != nil):
		t.Errorf("%s, %v", codes(o), o.Err)
	case fault != "" && (codes(o) != "451 4.7.5" || !errors.As(o.Err, &failed) || !strings.Contains(o.Err.Error(), fault)):
		t.Errorf("%s, %v; want %q", codes(o), o.Err, fault)
	}
}

// A peer sends the certificates between its own and the root.
func TestTrustOverAnIntermediate(t *testing.T) {
	between, key := newKey(), newKey()
	issuer := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "between"}, NotBefore: born, NotAfter: dies,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	issuer = sign(issuer, testCA().cert, between, testCA().key)
	leaf := sign(&x509.Certificate{SerialNumber: big.NewInt(4), NotBefore: born, NotAfter: dies, DNSNames: []string{"mx.peer.test"}}, issuer, key, between)
	for fault, chain := range map[string][][]byte{"": {leaf.Raw, issuer.Raw}, "unknown authority": {leaf.Raw}} {
		synctest.Test(t, func(t *testing.T) {
			config := &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: key}}}
			o := newPool(t, script(t, tlsPeer(config))).Send(t.Context(), secure(), mail())
			checkTrust(t, o, fault)
		})
	}
}

// The certificate's age is judged by the law's clock (design.md 7).
func TestTrustByTheLawsClock(t *testing.T) {
	config, _ := server(born.AddDate(5, 0, 0), false)
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(PoolConfig{Hello: "us.test", Dial: script(t, tlsPeer(config)), Now: func() time.Time { return dies }})
		t.Cleanup(p.Close)
		checkTrust(t, p.Send(t.Context(), secure(), mail()), "expired")
	})
}

// attacks.md 8: nothing of the mail is ever said in clear text to a peer within PEC.
// norms.md 142
func TestNeverInClear(t *testing.T) {
	good, _ := server(dies, false)
	for _, c := range []struct {
		name  string
		peer  func(*peer)
		fault string
	}{
		{"STARTTLS missing", func(p *peer) { p.welcome("PIPELINING") }, "does not offer"},
		{"STARTTLS refused", func(p *peer) {
			p.welcome("STARTTLS")
			p.hear("STARTTLS")
			p.say("454 4.7.0 not now")
		}, "454 4.7.0 not now"},
		{"STARTTLS answered by another 2xx", func(p *peer) {
			p.welcome("STARTTLS")
			p.hear("STARTTLS")
			p.say("250 ok")
		}, "250 ok"},
		{"EHLO refused", func(p *peer) {
			p.say("220 peer.test")
			p.hear("EHLO us.test")
			p.say("502 what?")
		}, "502 what?"},
		{"response injected with the 220", func(p *peer) {
			p.welcome("STARTTLS")
			p.hear("STARTTLS")
			p.say("220 go", "250-peer.test", "250 PIPELINING")
		}, "in clear text after"},
		{"response injected after the 220", func(p *peer) {
			p.welcome("STARTTLS")
			p.hear("STARTTLS")
			p.say("220 go")
			_, _ = p.r.Peek(1) // the client began its handshake
			_, _ = p.r.Discard(p.r.Buffered())
			p.say("250-peer.test", "250 PIPELINING")
			p.rest() // an alert
		}, "handshake"},
		{"gone in the handshake", func(p *peer) {
			p.welcome("STARTTLS")
			p.hear("STARTTLS")
			p.say("220 go")
			_, _ = p.r.Peek(1)
			_, _ = p.r.Discard(p.r.Buffered())
			p.conn.Close()
		}, "handshake"},
		{"handshake never answered", func(p *peer) {
			p.welcome("STARTTLS")
			p.hear("STARTTLS")
			p.say("220 go")
			p.rest()
		}, "timeout"},
		{"end of a good one", tlsPeer(good), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newPool(t, script(t, func(p *peer) {
					c.peer(p)
					p.gone()
				})).Send(t.Context(), secure(), mail())
				checkTrust(t, o, c.fault)
			})
		})
	}
}

// A peer that refuses the session has said nothing of the mail: even its 5xx is temporary.
func TestOpening(t *testing.T) {
	greeted := func(greeting string, rest ...string) func(*peer) {
		return func(p *peer) {
			p.say(greeting)
			for i := 0; i < len(rest); i += 2 {
				p.hear(rest[i])
				p.say(rest[i+1])
			}
			p.gone()
		}
	}
	for _, c := range []struct {
		name string
		peer func(*peer)
		want string
		err  string
	}{
		{"greeting 554", greeted("554 5.7.1 not you"), "451 4.3.2", "554 5.7.1 not you"},
		{"greeting 450", greeted("450 busy"), "451 4.3.2", "450 busy"},
		{"greeting 250", greeted("250 hello"), "451 4.3.2", "250 hello"},
		{"greeting 421", greeted("421 4.3.2 closing"), "421 4.3.2", ""},
		{"greeting of another protocol", greeted("* OK IMAP4rev1"), "451 4.4.2", "malformed"},
		{"EHLO 421", greeted("220 x", "EHLO us.test", "421 closing"), "421", ""},
		{"EHLO 450", greeted("220 x", "EHLO us.test", "450 busy"), "451 4.3.2", "450 busy"},
		{"EHLO and HELO refused", greeted("220 x", "EHLO us.test", "502 what?", "HELO us.test", "550 5.7.1 no"), "451 4.3.2", "550 5.7.1 no"},
		{"STARTTLS 421", greeted("220 x", "EHLO us.test", "250-x\r\n250 STARTTLS", "STARTTLS", "421 closing"), "421", ""},
		{"no greeting", func(p *peer) {
			from := time.Now()
			p.gone()
			if took := time.Since(from); took != 5*time.Minute {
				p.fail("waited %v", took)
			}
		}, "451 4.4.2", "timeout"},
		{"closed at once", func(*peer) {}, "451 4.4.2", "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				route := secure()
				if strings.Contains(c.name, "HELO") {
					route = clear
				}
				o := newPool(t, script(t, c.peer)).Send(t.Context(), route, mail())
				if codes(o) != c.want || (o.Err == nil) != (c.err == "") || o.Err != nil && !strings.Contains(o.Err.Error(), c.err) || errors.As(o.Err, new(*TLSError)) {
					t.Errorf("%s, %v", codes(o), o.Err)
				}
			})
		})
	}
}

func TestOpportunistic(t *testing.T) {
	old, _ := server(dies, false)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	inClear := func(p *peer) {
		p.welcome("STARTTLS")
		p.takes()
		p.bye()
	}
	for _, c := range []struct {
		name  string
		peers []func(*peer)
	}{
		{"handshake fails, then clear text", []func(*peer){tlsPeer(old), inClear}},
		{"STARTTLS refused, then clear text", []func(*peer){func(p *peer) {
			p.welcome("STARTTLS")
			p.hear("STARTTLS")
			p.say("454 4.7.0 not now")
			p.gone()
		}, inClear}},
		{"HELO", []func(*peer){func(p *peer) {
			p.say("220 peer.test")
			p.hear("EHLO us.test")
			p.say("502 what?")
			p.hear("HELO us.test")
			p.say("250 peer.test")
			p.takes()
			p.bye()
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newPool(t, script(t, c.peers...)).Send(t.Context(), clear, mail())
				checkTrust(t, o, "")
			})
		})
	}
}

func TestParseExtensions(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  extensions
	}{
		{nil, extensions{}},
		{[]string{"pipelining", "8BITMIME", "STARTTLS", "SIZE 31457280", "DSN"},
			extensions{pipelining: true, eightBit: true, startTLS: true, size: true, sizeLimit: 31457280}},
		{[]string{"SIZE"}, extensions{size: true}},
		{[]string{"SIZE -1"}, extensions{size: true}},
		{[]string{"SIZE 99999999999999999999"}, extensions{size: true}},
		{[]string{"SIZEX 1", "X-STARTTLS", ""}, extensions{}},
	} {
		if got := parseExtensions(c.lines); got != c.want {
			t.Errorf("%q: %+v", c.lines, got)
		}
	}
}

// A Route of another policy never shares a connection; every field counts.
func TestRouteKey(t *testing.T) {
	one := Route{Address: "a:25", TLSName: "b", Roots: testCA().pool, Pins: [][]byte{bytes.Repeat([]byte{1}, 32)}}
	same := one
	same.Pins = [][]byte{bytes.Repeat([]byte{1}, 32)}
	if one.key() != same.key() {
		t.Error("equal routes have other keys")
	}
	for i := range reflect.TypeFor[Route]().NumField() {
		other := one
		field := reflect.ValueOf(&other).Elem().Field(i)
		if field.SetZero(); reflect.DeepEqual(one, other) {
			other.Opportunistic = true
		}
		if one.key() == other.key() {
			t.Errorf("%s does not count", reflect.TypeFor[Route]().Field(i).Name)
		}
	}
}
