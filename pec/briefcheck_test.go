package pec

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkBrief compares two messages of which everything is at hand.
func checkBrief(sent, receipt []byte) ([]BriefMatch, error) {
	a, b := scan(sent, nil).Root, scan(receipt, nil).Root
	return CheckBrief(a, bytes.NewReader(sent[a.Body:]), b, bytes.NewReader(receipt[b.Body:]))
}

func TestCheckBrief(t *testing.T) {
	const sent = mixedHeader + "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\ntesto\n--c\nContent-Type: text/html\n\n<p>\n--c--\n" +
		"--b\nContent-Type: a/b; name=x\n\nuno\n--b\nContent-Type: message/rfc822\n\nA: b\n\ndue\n--b--\n"
	short := string(crlf(mixedHeader)) + mustShorten(t, crlf(sent))
	ofMessage := sha1Of("A: b\r\n\r\ndue")
	all := []BriefMatch{
		{"1.1", "", BriefMatches, 0}, {"1.2", "", BriefMatches, 0},
		{"2", "x", BriefMatches, crypto.SHA1}, {"3", "", BriefMatches, crypto.SHA1},
	}
	changed := func(i int, m BriefMatch) []BriefMatch {
		out := append([]BriefMatch(nil), all...)
		m.Path, m.Name = out[i].Path, out[i].Name
		out[i] = m
		return out
	}
	differs, missing := BriefMatch{State: BriefDiffers}, BriefMatch{State: BriefMissing}
	for name, c := range map[string]struct {
		receipt string
		want    []BriefMatch
	}{
		"ours":            {short, all},
		"another header":  {"Received: x\r\n" + short, all},
		"upper case":      {strings.Replace(short, ofMessage, strings.ToUpper(ofMessage), 1), all},
		"line end":        {strings.Replace(short, ofMessage, ofMessage+"\r\n", 1), all},
		"base64":          {base64Hash(short, ofMessage), all},
		"SHA-256":         {strings.Replace(short, ofMessage, fmt.Sprintf("%x", sha256.Sum256([]byte("A: b\r\n\r\ndue"))), 1), changed(3, BriefMatch{State: BriefMatches, Hash: crypto.SHA256})},
		"complete":        {string(crlf(sent)), []BriefMatch{{"1.1", "", BriefMatches, 0}, {"1.2", "", BriefMatches, 0}, {"2", "x", BriefMatches, 0}, {"3", "", BriefMatches, 0}}},
		"another text":    {strings.Replace(short, "testo", "testa", 1), changed(0, differs)},
		"another type":    {strings.Replace(short, "text/html", "text/xml ", 1), changed(1, differs)},
		"another hash":    {strings.Replace(short, ofMessage, sha1Of("tre"), 1), changed(3, differs)},
		"cut hash":        {strings.Replace(short, ofMessage, ofMessage[:38], 1), changed(3, differs)},
		"no hash":         {strings.Replace(short, ofMessage, "", 1), changed(3, differs)},
		"hash of nothing": {strings.Replace(short, ofMessage, sha1Of(""), 1), changed(3, differs)},
		"another name":    {strings.ReplaceAll(short, "x.hash", "y.hash"), changed(2, differs)},
		"no hash by name": {strings.ReplaceAll(short, "x.hash", "x"), changed(2, differs)},
		"a part less":     {strings.Split(short, "--b\r\nContent-Type: text/plain; charset=us-ascii;\r\n name=\"message")[0] + "--b--\r\n", changed(3, missing)},
		"a part more":     {strings.Replace(short, "\r\n--b--", "\r\n--b\r\nContent-Type: a/b; name=y\r\n\r\nz\r\n--b--", 1), append(all[:4:4], BriefMatch{"4", "y", BriefAdded, 0})},
		"one part": {"\r\nx", []BriefMatch{{"1.1", "", BriefMissing, 0}, {"1.2", "", BriefMissing, 0}, {"2", "x", BriefMissing, 0},
			{"3", "", BriefMissing, 0}, {"1", "", BriefAdded, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := checkBrief(crlf(sent), []byte(c.receipt))
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// base64Hash is how another provider may write the file of a hash.
func base64Hash(short, hash string) string {
	before, after, _ := strings.Cut(short, hash)
	i := strings.LastIndex(before, "7bit")
	return before[:i] + "base64" + before[i+len("7bit"):] + base64.StdEncoding.EncodeToString([]byte(hash)) + after
}

// TestCheckBriefOfOnePart: what is enclosed whole is compared whole, without its header.
func TestCheckBriefOfOnePart(t *testing.T) {
	const p7m = "Content-Type: application/pkcs7-mime; name=smime.p7m\n\n"
	for receipt, state := range map[string]BriefState{"MIIB\n": BriefMatches, "MIIC\n": BriefDiffers} {
		got, err := checkBrief(crlf(p7m+"MIIB\n"), crlf("Received: x\n"+p7m+receipt))
		if diff := cmp.Diff([]BriefMatch{{"1", "smime.p7m", state, 0}}, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

func TestCheckBriefReadsAll(t *testing.T) {
	message := crlf(mixedHeader + "--b\nContent-Type: a/b; name=x\n\nuno\n--b--\n")
	root := scan(message, nil).Root
	body := message[root.Body:]
	if _, err := CheckBrief(root, bytes.NewReader(body[:8]), root, bytes.NewReader(body)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("sent: %v", err)
	}
	if _, err := CheckBrief(root, bytes.NewReader(body), root, bytes.NewReader(body[:8])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("receipt: %v", err)
	}
	root.Children = append(root.Children, root.Children[0])
	if _, err := CheckBrief(root, bytes.NewReader(body), root, bytes.NewReader(body)); err == nil {
		t.Error("parts that overlap were read")
	}
}
