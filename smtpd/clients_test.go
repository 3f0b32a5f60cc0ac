package smtpd

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const clientMessage = "From: anna@pec.alfa.test\r\nTo: b@pec.beta.test\r\nSubject: x\r\n\r\n.dot\r\n..\r\nend\r\n"

func messageFile(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "message.eml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func port(addr net.Addr) string { return fmt.Sprint(addr.(*net.TCPAddr).Port) }

func wantMessage(t *testing.T, r *record, want string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.messages) != 1 || r.messages[0] != want {
		t.Fatalf("received %q, want %q", r.messages, want)
	}
	tx := r.transactions[0]
	if tx.Account != testUser || tx.From != testUser || !tx.ESMTP || tx.Peer.TLS == nil || tx.Peer.Hello == "" ||
		!reflect.DeepEqual(tx.Recipients, []string{"b@pec.beta.test"}) {
		t.Fatalf("%+v", tx)
	}
}

// curl sends a file as it is, and with --crlf one that has LF (of a CRLF it would make CR CR LF, which is refused).
func TestCurlOverImplicitTLS(t *testing.T) {
	for _, way := range []struct{ option, mechanism, text string }{
		{"--no-crlf", "PLAIN", clientMessage},
		{"--crlf", "LOGIN", strings.ReplaceAll(clientMessage, "\r\n", "\n")},
	} {
		r := new(record)
		c := submissionConfig(r)
		c.Implicit = true
		run(t, "curl", "--silent", "--show-error", way.option, "--cacert", caFile(t), "--login-options", "AUTH="+way.mechanism,
			"--user", testUser+":"+testPassword, "--mail-from", testUser, "--mail-rcpt", "b@pec.beta.test",
			"--upload-file", messageFile(t, way.text), "smtps://localhost:"+port(listen(t, c)))
		wantMessage(t, r, clientMessage)
	}
}

func TestSwaks(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		r := new(record)
		c := submissionConfig(r)
		out := run(t, "swaks", "--server", "localhost:"+port(listen(t, c)), "--tls", "--tls-verify", "--tls-ca-path", caFile(t),
			"--auth", mechanism, "--auth-user", testUser, "--auth-password", testPassword, "--from", testUser,
			"--to", "b@pec.beta.test", "--data", "@"+messageFile(t, clientMessage))
		if !strings.Contains(out, "250 2.0.0 accepted as <opec1.20260101@alfa.test>") {
			t.Fatal(out)
		}
		if len(r.messages) != 1 || !strings.HasPrefix(r.messages[0], strings.TrimSuffix(clientMessage, "end\r\n")) {
			t.Fatalf("%q", r.messages) // swaks adds an empty line
		}
	}
}

func TestPythonSmtplib(t *testing.T) {
	r := new(record)
	program := `
import smtplib, ssl, sys
s = smtplib.SMTP("localhost", int(sys.argv[1]))
s.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
try:
    s.login("` + testUser + `", "wrong")
    sys.exit("logged in with a wrong password")
except smtplib.SMTPAuthenticationError:
    pass
s.ehlo()
import base64
s.docmd("AUTH PLAIN", base64.b64encode("\0` + testUser + `\0` + testPassword + `".encode()).decode())
s.sendmail("` + testUser + `", ["b@pec.beta.test"], open(sys.argv[3], "rb").read())
s.quit()
`
	run(t, "python3", "-c", program, port(listen(t, submissionConfig(r))), caFile(t), messageFile(t, clientMessage))
	wantMessage(t, r, clientMessage)
}

func TestGoSMTPClient(t *testing.T) {
	r := new(record)
	conn, err := net.Dial("tcp", listen(t, submissionConfig(r)).String())
	if err != nil {
		t.Fatal(err)
	}
	client, err := smtp.NewClientStartTLS(conn, clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if size, ok := client.MaxMessageSize(); !ok || size != 1000 {
		t.Fatal(size, ok)
	}
	if err := client.Auth(sasl.NewPlainClient("", testUser, testPassword)); err != nil {
		t.Fatal(err)
	}
	if err := client.SendMail(testUser, []string{"b@pec.beta.test"}, strings.NewReader(clientMessage)); err != nil {
		t.Fatal(err)
	}
	if err := client.Quit(); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, r, clientMessage)
}

// openssl is the other TLS there is: the handshake, and that no renegotiation or old version is taken.
// norms.md 143
func TestOpenSSL(t *testing.T) {
	c := testConfig(new(record))
	addr := "localhost:" + port(listen(t, c))
	out := run(t, "sh", "-c", `printf 'QUIT\r\n' | openssl s_client -quiet -starttls smtp -verify_return_error -CAfile "$1" -connect "$2" 2>&1`, "sh", caFile(t), addr)
	if !strings.Contains(out, "221 2.0.0 bye") {
		t.Fatal(out)
	}
	c.Implicit = true
	_, err := tls.Dial("tcp", listen(t, c).String(), &tls.Config{RootCAs: clientTLS().RootCAs, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Fatal("TLS 1.1 was taken")
	}
}
