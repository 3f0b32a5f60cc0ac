package sandbox

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/smtp"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/directory"
)

// TestServices asks one running sandbox for everything that its contract promises.
func TestServices(t *testing.T) {
	r := start(t, options(t, newDir(t)))
	for name, ask := range map[string]func(*testing.T, *running){
		"text": contractText, "mail servers": mailServersAnswer, "accounts": accountsOpen, "authority": authorityAnswers,
		"outside": outsideTakesItsMailbox, "other sites": otherSitesMayNotMoveTheClock,
	} {
		t.Run(name, func(t *testing.T) { ask(t, r) })
	}
}

// contractText: sandbox.json is what design.md 9 says octet for octet, strict JSON, and no port is named twice.
func contractText(t *testing.T, r *running) {
	octets, err := os.ReadFile(r.path(contractName))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/sandbox.json")
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	neutral := address.ReplaceAllString(string(octets), "127.0.0.1:PORT")
	neutral = strings.Replace(neutral, fmt.Sprintf(`"pid": %d`, os.Getpid()), `"pid": 4711`, 1)
	if neutral != string(want) {
		t.Errorf("it is\n%s\nwant\n%s", neutral, want)
	}
	var strict Contract
	d := json.NewDecoder(bytes.NewReader(octets))
	d.DisallowUnknownFields()
	if err := d.Decode(&strict); err != nil || !reflect.DeepEqual(strict, r.Contract()) {
		t.Errorf("it reads as %+v, %v", strict, err)
	}
	ports := map[string]bool{}
	for _, a := range address.FindAllString(string(octets), -1) {
		ports[a] = true
	}
	if len(ports) != 12 {
		t.Errorf("%d different ports, want 12", len(ports))
	}
}

// mailServersAnswer: every one with a certificate of the sandbox's CA for its own name.
func mailServersAnswer(t *testing.T, r *running) {
	c := r.Contract()
	type service struct{ address, greeting, name string }
	clear := []service{{c.Outside.SMTP, "", "mx." + c.Outside.Domain}}
	implicit := []service{{c.Outside.IMAPS, "* OK ", "mx." + c.Outside.Domain}}
	for _, p := range c.Providers {
		for _, domain := range p.Domains {
			clear = append(clear, service{p.SMTP, "", "mx." + domain}, service{p.Submission, "", "mx." + domain})
		}
		implicit = append(implicit, service{p.Submissions, "220 mx." + p.Domain, "mx." + p.Domain}, service{p.IMAPS, "* OK ", "127.0.0.1"})
	}
	for _, x := range clear {
		client, err := smtp.Dial(x.address)
		if err != nil {
			t.Errorf("%s: %v", x.address, err)
			continue
		}
		if err := client.StartTLS(r.clientTLS(x.name)); err != nil {
			t.Errorf("%s as %s: %v", x.address, x.name, err)
		}
		client.Close()
	}
	for _, x := range implicit {
		conn, err := tls.Dial("tcp", x.address, r.clientTLS(x.name))
		if err != nil {
			t.Errorf("%s as %s: %v", x.address, x.name, err)
			continue
		}
		got := make([]byte, len(x.greeting))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != x.greeting {
			t.Errorf("%s greets with %q, %v", x.address, got, err)
		}
		conn.Close()
	}
}

// accountsOpen: every address that is named can be logged into where the contract says.
func accountsOpen(t *testing.T, r *running) {
	c := r.Contract()
	r.imap(c.Outside.IMAPS, c.Outside.Mailbox)
	for _, p := range c.Providers {
		for _, a := range append(p.Mailboxes, p.ServiceMailbox) {
			r.imap(p.IMAPS, a)
		}
	}
}

// authorityAnswers: its directory is signed by the signer that is named, and has what the contract says of each provider.
func authorityAnswers(t *testing.T, r *running) {
	c := r.Contract()
	pair, err := tls.LoadX509KeyPair(r.path(c.Authority.ClientCertificateFile), r.path(c.Authority.ClientKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	config := r.clientTLS("127.0.0.1")
	if octets, err := get(config, c.Authority.LDIFURL); err == nil {
		t.Errorf("without a certificate: %d octets", len(octets))
	}
	config.Certificates = []tls.Certificate{pair}
	octets, err := get(config, c.Authority.LDIFURL)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := readCertificate(r.path(c.Authority.DirectorySignerFile))
	if err != nil {
		t.Fatal(err)
	}
	d, err := directory.Open(octets, signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Providers {
		cert, err := readCertificate(r.path(p.SigningCertificateFiles[0]))
		if err != nil {
			t.Fatal(err)
		}
		for _, domain := range p.Domains {
			e, ok := d.Domain(domain)
			if !ok || e.Provider != p.Name || e.ServiceMailbox != p.ServiceMailbox.Address || !bytes.Equal(e.Certificates[0].Raw, cert.Raw) {
				t.Errorf("%s: %+v, %t", domain, e, ok)
			}
		}
	}
}

func get(config *tls.Config, url string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	octets, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return octets, err
}

// outsideTakesItsMailbox: its mail as it comes; other addresses are refused, so that failures can be seen.
func outsideTakesItsMailbox(t *testing.T, r *running) {
	outside := r.Contract().Outside
	c, err := smtp.Dial(outside.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, to := range []string{"nessuno@posta.test", "carla.neri@pec.alfa.test", "carla.neri@altrove.test"} {
		if err := mail(c, "x@altrove.test", "", to); err == nil || !strings.HasPrefix(err.Error(), `550 "5.1.1 no such user`) {
			t.Errorf("%s gets %v", to, err)
		}
		if err := c.Reset(); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{"x@altrove.test", ""} {
		const text = "Subject: citt\xc3\xa0\r\n\r\n.punto\r\n"
		if err := mail(c, from, text, "Carla.Neri@POSTA.test"); err != nil {
			t.Fatal(err)
		}
		said := r.imap(outside.IMAPS, outside.Mailbox, "SELECT INBOX", "FETCH * BODY.PEEK[]")
		if !strings.Contains(said, "Return-Path: <"+from+">\r\n") || !strings.Contains(said, text) {
			t.Errorf("from <%s>:\n%s", from, said)
		}
	}
}

// otherSitesMayNotMoveTheClock: a browser tells who asks in one of two fields; the page itself, and what is no browser, may.
func otherSitesMayNotMoveTheClock(t *testing.T, r *running) {
	before := r.clock.Offset()
	for _, c := range []struct {
		method, field, value string
		want                 int
	}{
		{"POST", "Sec-Fetch-Site", "cross-site", 403}, {"POST", "Sec-Fetch-Site", "same-site", 403}, {"POST", "Origin", "http://evil.example", 403},
		{"POST", "Origin", "null", 403}, {"PUT", "Accept", "*/*", 405}, {"DELETE", "Accept", "*/*", 405},
	} {
		if code, text := r.ask(c.method, "/clock", `{"advance": "1h"}`, http.Header{c.field: {c.value}}); code != c.want {
			t.Errorf("%s with %s %s: %d %s", c.method, c.field, c.value, code, text)
		}
	}
	if got := r.clock.Offset(); got != before {
		t.Errorf("the clock moved by %s", got-before)
	}
	for field, value := range map[string]string{"Origin": r.Contract().ControlURL, "Sec-Fetch-Site": "same-origin"} {
		if code, text := r.ask(http.MethodPost, "/clock", `{"advance": "1s"}`, http.Header{field: {value}}); code != http.StatusOK {
			t.Errorf("%s %s: %d %s", field, value, code, text)
		}
	}
}
