package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRevokedProvider runs Alfa and Beta alone, Beta with the policy "wait", and stands in for the server of the list that their
// certificates name. While it is away Beta asks Alfa to come again; what waited is delivered once the list can be had; when the list
// has Alfa's certificate, what Alfa signs comes in an anomaly envelope (RFC 6109 2.2.2; norms.md 49, 50; attacks.md 11).
func TestRevokedProvider(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 1)
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	known := s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	s.settle(t)
	x := &arrivals{sandbox: s, from: from, to: to, envelope: asSent(only(t, s.inbox(t, to), "posta-certificata", known).octets)}
	s.stop(t)
	s.makeWait(t, s.beta())

	beta, alfa := s.serve(t, s.beta()), s.serve(t, s.alfa())
	awaitLog(t, beta, "revocation is not known")
	if r := x.peer(t, s.beta()).send(from.Address, []string{to.Address}, x.envelope); !r.is(451, "4.7.5") || !strings.Contains(r.text, "revoked is not known") {
		t.Errorf("while the list is away: %v", r)
	}
	l := plainLetter(from.Address, to.Address)
	l.id = "<attesa@client.test>"
	waited := s.submit(t, s.alfa(), from, l)
	eventually(t, 10*time.Second, "the acceptance is there", func() bool { return len(about(s.inbox(t, from), "accettazione", waited)) == 1 })
	alfa.stop(t)
	beta.stop(t)

	// What is due a minute later is due when both start again: their clock is the sandbox's offset file.
	list := s.serveList(t)
	writeFile(t, s.path("clock"), []byte("5m0s\n"))
	beta = s.serve(t, s.beta())
	eventually(t, 10*time.Second, "Beta has the list", func() bool {
		_, err := os.Stat(s.revocations(s.beta()))
		return err == nil
	})
	alfa = s.serve(t, s.alfa())
	eventually(t, 20*time.Second, "what waited is delivered", func() bool { return len(about(s.inbox(t, from), "avvenuta-consegna", waited)) == 1 })
	only(t, s.inbox(t, to), "posta-certificata", waited)
	alfa.stop(t)
	beta.stop(t)

	list.revoke(t, s.path(s.alfa().SigningCertificateFiles[0]))
	writeFile(t, s.path("clock"), []byte("10m0s\n"))
	beta, alfa = s.serve(t, s.beta()), s.serve(t, s.alfa())
	awaitLog(t, beta, "a certificate is revoked")
	l.id = "<revocato@client.test>"
	s.submit(t, s.alfa(), from, l)
	eventually(t, 20*time.Second, "the anomaly envelope is there", func() bool { return s.count(t, to) == 3 })
	if m := s.inbox(t, to)[2]; m.header.Get("X-Trasporto") != "errore" || m.data != nil || !strings.Contains(m.text, "risulta revocato") {
		t.Errorf("the mailbox has %v\n%s", m.header, m.text)
	} else {
		s.verifySignature(t, s.beta(), m.octets)
	}
	alfa.stop(t)
	beta.stop(t)
	s.check(t)
}

// makeWait gives a stopped provider the policy "wait", and takes from it what it has heard of revocations.
func (s *sandbox) makeWait(t *testing.T, p provider) {
	t.Helper()
	text := string(readFile(t, s.path(p.ConfigFile)))
	changed := strings.Replace(text, "[revocation]\n", "[revocation]\npolicy = \"wait\"\n", 1)
	if changed == text {
		t.Fatalf("the configuration says nothing of revocation:\n%s", text)
	}
	writeFile(t, s.path(p.ConfigFile), []byte(changed))
	if err := os.Remove(s.revocations(p)); err != nil {
		t.Fatal(err)
	}
}

// revocations is the file in which a provider keeps what it has heard of them.
func (s *sandbox) revocations(p provider) string {
	return filepath.Join(s.path(p.DataDir), "revocations.pem")
}

// awaitLog waits for what a process says of its own accord.
func awaitLog(t *testing.T, d *daemon, text string) {
	t.Helper()
	eventually(t, 10*time.Second, "the log says "+text, func() bool { return strings.Contains(d.log(), text) })
}

// revocationList is a server of the sandbox's authority, at the address that the certificates name.
type revocationList struct {
	ca      *x509.Certificate
	key     crypto.Signer
	revoked chan []x509.RevocationListEntry // always holds one
}

// serveList answers until the end of the test, with nobody revoked at first.
func (s *sandbox) serveList(t *testing.T) *revocationList {
	t.Helper()
	ca, err := x509.ParseCertificate(readPEM(t, s.path(s.CAFile)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(readPEM(t, s.path("ca.key")))
	if err != nil {
		t.Fatal(err)
	}
	l := &revocationList{ca: ca, key: key.(crypto.Signer), revoked: make(chan []x509.RevocationListEntry, 1)}
	l.revoked <- nil
	signer, err := x509.ParseCertificate(readPEM(t, s.path(s.alfa().SigningCertificateFiles[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(signer.CRLDistributionPoints) != 1 {
		t.Fatalf("the certificate names the lists %q", signer.CRLDistributionPoints)
	}
	at, err := url.Parse(signer.CRLDistributionPoints[0])
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+at.Path, l)
	server := &http.Server{Handler: mux}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	t.Cleanup(func() { server.Close(); <-ended })
	return l
}

// ServeHTTP signs the list anew; its number grows from second to second, as the sandbox's does.
func (l *revocationList) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	revoked := <-l.revoked
	l.revoked <- revoked
	now := time.Now()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(now.Unix()), ThisUpdate: now, NextUpdate: now.Add(time.Hour), RevokedCertificateEntries: revoked,
	}, l.ca, l.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Write(der)
}

// revoke puts a certificate on the list.
func (l *revocationList) revoke(t *testing.T, file string) {
	t.Helper()
	cert, err := x509.ParseCertificate(readPEM(t, file))
	if err != nil {
		t.Fatal(err)
	}
	l.revoked <- append(<-l.revoked, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: time.Now()})
}
