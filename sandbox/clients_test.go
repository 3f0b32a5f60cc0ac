package sandbox

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/smtp"
	"os"
	"strings"
)

// clientTLS trusts the sandbox's CA alone, as a test program would.
func (r *running) clientTLS(name string) *tls.Config {
	r.t.Helper()
	octets, err := os.ReadFile(r.path(r.Contract().CAFile))
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(octets) {
		r.t.Fatalf("no CA: %v", err)
	}
	return &tls.Config{RootCAs: roots, ServerName: name}
}

// mail is one SMTP transaction.
func mail(c *smtp.Client, from, text string, to ...string) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}

// imap logs in and returns all that the server says to some commands.
func (r *running) imap(server string, a Account, commands ...string) string {
	r.t.Helper()
	conn, err := tls.Dial("tcp", server, r.clientTLS("localhost"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	lines, said := bufio.NewReader(conn), strings.Builder{}
	for _, command := range append([]string{fmt.Sprintf("LOGIN %s %s", a.Address, a.Password)}, commands...) {
		fmt.Fprintf(conn, "a %s\r\n", command)
		for tagged := false; !tagged; {
			line, err := lines.ReadString('\n')
			if err != nil {
				r.t.Fatalf("%s: %v", command, err)
			}
			said.WriteString(line)
			if tagged = strings.HasPrefix(line, "a "); tagged && !strings.HasPrefix(line, "a OK") {
				r.t.Fatalf("%s: %s", command, line)
			}
		}
	}
	return said.String()
}
