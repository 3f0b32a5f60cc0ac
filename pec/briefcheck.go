package pec

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// BriefState is what a brief receipt says of one part of the message that was sent.
type BriefState string

// The states of a part.
const (
	BriefMatches BriefState = "matches" // the receipt bears its hash, or the part itself
	BriefDiffers BriefState = "differs" // the receipt bears something else in its place
	BriefMissing BriefState = "missing" // the receipt has nothing in its place
	BriefAdded   BriefState = "added"   // the receipt has a part in a place where none was sent
)

// BriefMatch is the comparison of one part.
type BriefMatch struct {
	Path  string // the part's place as IMAP counts: "1.2" is the second part of the first
	Name  string // of the part sent, or of the one added; "" if it has none or the structure no headers
	State BriefState
	Hash  crypto.Hash // the hash that matches; 0 if the receipt bears the part itself
}

// CheckBrief compares the message enclosed in a brief receipt with the message that was sent,
// part by part in order of their places (RFC 6109 3.3.2.2). Each message is given as its part in
// a structure, and a reader over its octets behind the header block. The headers of the two
// messages are not compared, for the provider changed one of them, nor what stands between
// parts. The receipt's structure needs its headers: a hash counts only in a part that is named as
// one, for the sender may have written any digits into a part that stays. The other's is better
// off with them: a hash in a part of another name differs. An error means that octets could not
// be read; it says nothing about the receipt.
func CheckBrief(sent *Part, sentBody io.Reader, receipt *Part, receiptBody io.Reader) ([]BriefMatch, error) {
	want, err := digestLeaves(sent, sentBody)
	if err != nil {
		return nil, fmt.Errorf("reading the message that was sent: %w", err)
	}
	got, err := digestLeaves(receipt, receiptBody)
	if err != nil {
		return nil, fmt.Errorf("reading the receipt's message: %w", err)
	}
	byPath := map[string]leafDigest{}
	for _, leaf := range got {
		byPath[leaf.path] = leaf
	}
	var matches []BriefMatch
	for _, leaf := range want {
		m := BriefMatch{Path: leaf.path, Name: leaf.name, State: BriefMissing}
		if borne, found := byPath[leaf.path]; found {
			m.State, m.Hash = leaf.compare(borne)
			delete(byPath, leaf.path)
		}
		matches = append(matches, m)
	}
	for _, leaf := range got {
		if _, left := byPath[leaf.path]; left {
			matches = append(matches, BriefMatch{Path: leaf.path, Name: leaf.name, State: BriefAdded})
		}
	}
	return matches, nil
}

// leafDigest is what is compared of a part.
type leafDigest struct {
	path, name   string
	brief        string // the name of the part that stands for it; "" if it stays
	whole        []byte // SHA-256 of header and body
	sha1, sha256 []byte // of the body
	text         []byte // the start of the body, decoded
}

// compare tells what the receipt bears of the part.
func (l leafDigest) compare(borne leafDigest) (BriefState, crypto.Hash) {
	sum, err := hex.DecodeString(string(bytes.TrimSpace(borne.text)))
	named := strings.HasSuffix(strings.ToLower(borne.name), hashSuffix) && (l.brief == "" || borne.name == l.brief)
	switch {
	case err == nil && named && bytes.Equal(sum, l.sha256):
		return BriefMatches, crypto.SHA256
	case err == nil && named && bytes.Equal(sum, l.sha1):
		return BriefMatches, crypto.SHA1
	case bytes.Equal(borne.whole, l.whole):
		return BriefMatches, 0
	}
	return BriefDiffers, 0
}

// digestLeaves reads a body once.
func digestLeaves(root *Part, body io.Reader) ([]leafDigest, error) {
	var leaves []leafDigest
	at, buffer := root.Body, make([]byte, 32<<10)
	take := func(to int64, w io.Writer) error {
		if to < at {
			return errors.New("its parts overlap")
		}
		n, err := io.CopyBuffer(w, io.LimitReader(body, to-at), buffer)
		if at += n; err == nil && at < to {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	err := root.eachLeaf("", func(p *Part, path string) error {
		whole, one, two := sha256.New(), sha1.New(), sha256.New()
		start := headWriter{}
		err := take(max(p.Start, root.Body), io.Discard)
		if err == nil {
			err = take(p.Body, whole)
		}
		if err == nil {
			err = take(p.End, io.MultiWriter(whole, one, two, &start))
		}
		text := decodeBody(&Part{Header: p.Header, Kept: start.octets})
		leaves = append(leaves, leafDigest{path, p.Filename(), p.briefName(), whole.Sum(nil), one.Sum(nil), two.Sum(nil), text})
		return err
	})
	return leaves, err
}

// eachLeaf calls f for the parts that are no multiparts, in order; an attached message is one.
func (p *Part) eachLeaf(path string, f func(p *Part, path string) error) error {
	if !p.hasParts() {
		return f(p, cmp.Or(path, "1"))
	}
	for i, child := range p.Children {
		if err := child.eachLeaf(joinPath(path, i+1), f); err != nil {
			return err
		}
	}
	return nil
}

func joinPath(path string, n int) string {
	if path == "" {
		return strconv.Itoa(n)
	}
	return path + "." + strconv.Itoa(n)
}

// headWriter keeps the first octets of what is written, more than a hash needs.
type headWriter struct{ octets []byte }

func (w *headWriter) Write(p []byte) (int, error) {
	w.octets = appendWithin(w.octets, p, 256)
	return len(p), nil
}
