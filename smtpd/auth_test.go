package smtpd

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
)

// attacks.md 9: the log has who and whether, never the password in any form.
func TestLogHasNoPassword(t *testing.T) {
	var log bytes.Buffer
	c := submissionConfig(new(record))
	c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + testUser + "\x00" + testPassword))
	wrong := base64.StdEncoding.EncodeToString([]byte("\x00" + testUser + "\x00" + testPassword + "?"))
	d := dial(t, listen(t, c))
	d.expect(t, "220 .*")
	d.send(t, "EHLO x\r\n")
	for range 5 {
		d.expect(t, "250.*")
	}
	d.send(t, "STARTTLS\r\n")
	d.expect(t, "220 .*")
	d.startTLS(t)
	d.send(t, "EHLO client.test\r\n")
	for range 5 {
		d.expect(t, "250.*")
	}
	d.send(t, "AUTH PLAIN "+wrong+"\r\n")
	d.expect(t, "535 .*")
	d.send(t, "AUTH PLAIN "+plain+"\r\n")
	d.expect(t, "235 .*")
	d.send(t, "QUIT\r\n")
	d.expect(t, "221 .*")
	d.end(t)
	got := log.String()
	for _, secret := range []string{testPassword, plain, wrong, base64.StdEncoding.EncodeToString([]byte(testPassword))} {
		if strings.Contains(got, secret) {
			t.Error("the log has", secret)
		}
	}
	for _, line := range []string{`msg="smtpd: log-in failed"`, `msg="smtpd: log-in"`, "user=" + testUser, "hello=client.test", "peer=127.0.0.1"} {
		if !strings.Contains(got, line) {
			t.Errorf("the log has no %s:\n%s", line, got)
		}
	}
}
