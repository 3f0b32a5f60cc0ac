package e2e

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// curlSend submits a message by curl on the port for TLS from the start.
func (s *sandbox) curlSend(t testing.TB, p provider, from account, to []string, octets []byte) {
	t.Helper()
	args := []string{"--silent", "--show-error", "--cacert", s.path(s.CAFile), "--crlf", "--upload-file", s.unixFile(t, octets),
		"--user", from.Address + ":" + from.Password, "smtps://" + p.Submissions, "--mail-from", from.Address}
	for _, a := range to {
		args = append(args, "--mail-rcpt", a)
	}
	tool(t, "curl", args...)
}

// swaksSend submits a message by swaks, which is told by security how to get to TLS.
func (s *sandbox) swaksSend(t testing.TB, server string, from account, to string, octets []byte, security ...string) {
	t.Helper()
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	tool(t, "swaks", append(security, "--silent", "2", "--server", host, "--port", port, "--ehlo", "client.test",
		"--tls-verify", "--tls-ca-path", s.path(s.CAFile), "--from", from.Address, "--to", to,
		"--auth-user", from.Address, "--auth-password", from.Password,
		"--data", "@"+s.unixFile(t, bytes.TrimSuffix(octets, []byte("\r\n"))))...) // swaks ends the last line by itself
}

// unixFile writes a message as a file of this system: its lines end with LF.
func (s *sandbox) unixFile(t testing.TB, octets []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "message")
	writeFile(t, file, unix(octets))
	return file
}

func unix(octets []byte) []byte { return bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")) }

// curlFetch reads a message of the inbox by curl.
func (s *sandbox) curlFetch(t testing.TB, a account, uid string) []byte {
	t.Helper()
	return []byte(tool(t, "curl", "--silent", "--show-error", "--cacert", s.path(s.CAFile), "--user", a.Address+":"+a.Password,
		fmt.Sprintf("imaps://%s/INBOX;UID=%s", a.imaps, uid)))
}

// mbsync reads a whole inbox into a Maildir and returns its files, without the line that mbsync adds to each.
func (s *sandbox) mbsync(t testing.TB, a account) [][]byte {
	t.Helper()
	dir := s.maildir(t, a)
	files, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	seen, err := filepath.Glob(filepath.Join(dir, "cur", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, f := range append(files, seen...) {
		all = append(all, withoutField(readFile(t, f), "X-TUID"))
	}
	return all
}

// maildir is a mailbox's inbox as mbsync keeps it on the disk.
func (s *sandbox) maildir(t testing.TB, a account) string {
	t.Helper()
	_, port, err := net.SplitHostPort(a.imaps)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "mbsyncrc")
	writeFile(t, config, fmt.Appendf(nil, `SyncState *
IMAPStore far
Host localhost
Port %s
User %s
Pass %s
SSLType IMAPS
SystemCertificates no
CertificateFile %s

MaildirStore near
Path %s/
Inbox %s/INBOX

Channel inbox
Far :far:
Near :near:
Create Near
Sync Pull
`, port, a.Address, a.Password, s.path(s.CAFile), dir, dir))
	tool(t, "mbsync", "--config", config, "inbox")
	return filepath.Join(dir, "INBOX")
}

// withoutField removes a one-line field from the header of a file.
func withoutField(octets []byte, name string) []byte {
	start := bytes.Index(octets, []byte("\n"+name+": ")) + 1
	if start == 0 {
		return octets
	}
	end := start + bytes.IndexByte(octets[start:], '\n') + 1
	return append(octets[:start:start], octets[end:]...)
}
