package revocation

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// files writes what openssl reads and returns its directory.
func files(t *testing.T, contents map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, octets := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (h *holder) pem() []byte { return encoded("CERTIFICATE", h.Raw) }

func (h *holder) keyPEM() []byte {
	return encoded("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(h.key)))
}

// openssl runs the program as the authority root, whose database is index.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// database is the one of an authority that has revoked serial number 9 at 10 o'clock, and has issued 7.
const database = "V\t360302090000Z\t\t07\tunknown\t/CN=Signer\n" + "R\t360302090000Z\t260301100000Z,keyCompromise\t09\tunknown\t/CN=Gone\n"

var gone = day(-23. / 24)

// responder starts `openssl ocsp` for root and tells its URL.
func responder(t *testing.T) string {
	t.Helper()
	appointed := delegate(long)
	dir := files(t, map[string][]byte{
		"index": []byte(database), "ca": root().pem(), "responder": appointed.pem(), "key": appointed.keyPEM(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "openssl", "ocsp", "-port", "0", "-index", "index", "-CA", "ca", "-rsigner", "responder", "-rkey", "key", "-nmin", "60")
	cmd.Dir = dir
	out := must(cmd.StdoutPipe())
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if m := regexp.MustCompile(`^ACCEPT .*:(\d+) PID=`).FindStringSubmatch(lines.Text()); m != nil {
			return "http://127.0.0.1:" + m[1]
		}
	}
	t.Fatalf("openssl ocsp does not listen: %q", said)
	return ""
}

// attacks.md 11: a real responder, with a certificate of its own.
func TestOpenSSLResponder(t *testing.T) {
	url := responder(t)
	now := time.Now()
	for serial, want := range map[int64]State{7: Good, 9: Revoked, 8: Unknown} {
		cert := root().issue(serial, func(c *x509.Certificate) { long(c); c.OCSPServer = []string{url} })
		path := []*x509.Certificate{cert.Certificate, root().Certificate}
		blobs, err := NewFetcher(NewClient(everywhere)).Fetch(t.Context(), path, now)
		if (err == nil) != (want != Unknown) {
			t.Errorf("serial number %d: %v", serial, err)
		}
		got := mustNew(t, blobs...).Path(path, now)
		if got.State != want || want == Revoked && (!got.At.Equal(gone) || got.Reason != KeyCompromise) {
			t.Errorf("serial number %d: %+v", serial, got)
		}
		if want == Good && got.Source != "OCSP response by CN=Responder" {
			t.Errorf("source %q", got.Source)
		}
	}
}

// A list that `openssl ca` makes, over HTTP.
func TestOpenSSLList(t *testing.T) {
	config := "[ca]\ndefault_ca=x\n[x]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"
	dir := files(t, map[string][]byte{
		"index": []byte(database), "number": []byte("01\n"), "config": []byte(config), "ca": root().pem(), "key": root().keyPEM(),
	})
	openssl(t, dir, "ca", "-config", "config", "-gencrl", "-cert", "ca", "-keyfile", "key", "-crldays", "3", "-out", "crl.pem")
	openssl(t, dir, "crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	now := time.Now()
	for _, name := range []string{"crl.pem", "crl.der"} {
		for serial, want := range map[int64]State{7: Good, 9: Revoked} {
			cert := root().issue(serial, func(c *x509.Certificate) {
				long(c)
				c.CRLDistributionPoints = []string{fmt.Sprintf("%s/%s", server.URL, name)}
			})
			path := []*x509.Certificate{cert.Certificate, root().Certificate}
			blobs, err := NewFetcher(NewClient(everywhere)).Fetch(t.Context(), path, now)
			if got := mustNew(t, blobs...).Path(path, now); err != nil || got.State != want || want == Revoked && !got.At.Equal(gone) {
				t.Errorf("%s, serial number %d: %+v, %v", name, serial, got, err)
			}
		}
	}
}
