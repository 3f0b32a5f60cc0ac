// Receipts sends a PEC and tells, for each recipient, what became of it. receipts.go has what matters; this file sends,
// and reads the mailbox.
//
//	go run ./docs/examples/_go SANDBOX.JSON SECONDS RECIPIENT...
//
// It waits until every recipient has an outcome, or until nothing new has come for SECONDS, and writes the receipts into
// the current directory. It needs the standard library and github.com/emersion/go-imap/v2.
package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

type account struct{ Address, Password string }

// submit sends to all recipients or to none. After a 4xx or a lost connection send the same octets again: the provider
// knows them by their Message-ID.
func submit(server string, from account, to []string, octets string, config *tls.Config) {
	conn, err := tls.Dial("tcp", server, config)
	check(err)
	client, err := smtp.NewClient(conn, config.ServerName)
	check(err)
	defer client.Close()
	check(client.Auth(smtp.PlainAuth("", from.Address, from.Password, config.ServerName)))
	check(client.Mail(from.Address))
	for _, recipient := range to {
		check(client.Rcpt(recipient))
	}
	data, err := client.Data()
	check(err)
	_, err = io.WriteString(data, octets)
	check(err)
	check(data.Close()) // the server's word on the whole message
}

func compose(from string, to []string, msgID string) string {
	return strings.Join([]string{ // lines end in CRLF: PEC demands it
		"From: " + from,
		"To: " + strings.Join(to, ",\r\n "), // every recipient stands here or in Cc; Bcc is forbidden
		"Subject: Prova",
		"Date: " + time.Now().Format(time.RFC1123Z),
		"Message-ID: <" + msgID + ">",
		"\r\nBuongiorno.\r\n",
	}, "\r\n")
}

// follow hears what comes into the mailbox from UID next on. A place in UIDs, not \Seen: others may read it too.
func follow(s *sent, client *imapclient.Client, validity uint32, next imap.UID, patience time.Duration) {
	whole := &imap.FetchItemBodySection{Peek: true}
	options := &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{whole}}
	for last := time.Now(); len(s.open) > 0 && time.Since(last) < patience; {
		time.Sleep(500 * time.Millisecond)                                                   // a program that runs for long uses IDLE
		fetched, err := client.Fetch(imap.UIDSet{{Start: next, Stop: 0}}, options).Collect() // 0 is *
		check(err)
		for _, message := range fetched {
			if message.UID >= next { // n:* always has the last message
				check(s.hear(message.FindBodySection(whole), fmt.Sprintf("%d-%d.eml", validity, message.UID)))
				next, last = message.UID+1, time.Now()
			}
		}
	}
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: receipts SANDBOX.JSON SECONDS RECIPIENT...")
		os.Exit(2)
	}
	path, recipients := os.Args[1], os.Args[3:]
	patience, err := time.ParseDuration(os.Args[2] + "s")
	check(err)
	var sandbox struct {
		CAFile    string `json:"ca_file"`
		Providers []struct {
			Submissions, IMAPS string
			Mailboxes          []account
		}
	}
	octets, err := os.ReadFile(path)
	check(err)
	check(json.Unmarshal(octets, &sandbox))
	provider := sandbox.Providers[0]
	from := provider.Mailboxes[0]
	authority, err := os.ReadFile(filepath.Join(filepath.Dir(path), sandbox.CAFile))
	check(err)
	host, _, err := net.SplitHostPort(provider.IMAPS)
	check(err)
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: host}
	config.RootCAs.AppendCertsFromPEM(authority)

	client, err := imapclient.DialTLS(provider.IMAPS, &imapclient.Options{TLSConfig: config})
	check(err)
	defer client.Close()
	check(client.Login(from.Address, from.Password).Wait())
	inbox, err := client.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	check(err)
	s := newSent(rand.Text()+"@programma.test", recipients) // store the id before sending
	submit(provider.Submissions, from, recipients, compose(from.Address, recipients, s.msgID), config)
	follow(s, client, inbox.UIDValidity, inbox.UIDNext, patience)
	for _, recipient := range recipients {
		fmt.Println(recipient+":", s.outcome[recipient])
	}
}

// check ends the program at the first error.
func check(err error) {
	var reply *textproto.Error
	switch {
	case err == nil:
		return
	case errors.As(err, &reply) && reply.Code >= 500:
		fmt.Fprintln(os.Stderr, "refused:", reply.Code, reply.Msg)
	case errors.As(err, &reply):
		fmt.Fprintln(os.Stderr, "try again later:", reply.Code, reply.Msg)
	default:
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}
