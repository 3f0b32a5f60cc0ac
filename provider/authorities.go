package provider

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ceralacca/ceralacca/store"
)

// authoritiesCopy are the authorities that messages have brought, in the data directory.
const authoritiesCopy = "authorities.pem"

// maxAuthorities bounds what is learnt from messages. The whole network has a handful.
const maxAuthorities = 100

// authorities stand between signers and anchors. The directory names none of them; messages bring them. Without them what was heard of
// revocations below them cannot be used, so they are kept as that is.
type authorities struct {
	path string
	news chan struct{} // has one after something was learnt
	kept int           // of those known; of the one who calls keep

	mu    sync.Mutex
	known []*x509.Certificate
}

// load adds what was kept. What cannot be used is told and left out; what has expired is left out.
func (a *authorities) load(now time.Time, log *slog.Logger) error {
	octets, err := os.ReadFile(a.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the authorities between: %w", err)
	}
	unread := bytes.Count(octets, []byte("-----BEGIN "))
	a.kept = 0 // those of our own chain are not, until they are written
	for block, rest := pem.Decode(octets); block != nil; block, rest = pem.Decode(rest) {
		unread--
		cert, err := readAuthority(block)
		if err != nil {
			log.Error("a kept authority is not used", "file", a.path, "err", err)
		} else if !now.After(cert.NotAfter) {
			a.add(cert)
			a.kept++
		}
	}
	if unread > 0 {
		log.Error("kept authorities are damaged and not used", "file", a.path, "blocks", unread)
	}
	return nil
}

func readAuthority(block *pem.Block) (*x509.Certificate, error) {
	if block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%.40q is no certificate", block.Type)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err == nil && !cert.IsCA {
		err = fmt.Errorf("%s is no authority", cert.Subject)
	}
	return cert, err
}

// all are those known now.
func (a *authorities) all() []*x509.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.known)
}

// add notes those that are new, and tells whether there is one.
func (a *authorities) add(certs ...*x509.Certificate) (anew bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, cert := range certs {
		if len(a.known) < maxAuthorities && !slices.ContainsFunc(a.known, cert.Equal) {
			a.known, anew = append(a.known, cert), true
		}
	}
	return anew
}

// learn notes the authorities of a verified path that stand between. It never waits for the disk.
func (a *authorities) learn(path []*x509.Certificate) {
	if len(path) < 3 || !a.add(path[1:len(path)-1]...) {
		return
	}
	select {
	case a.news <- struct{}{}:
	default: // it is told already
	}
}

// keep writes what is known, if there is more than was written last.
func (a *authorities) keep() error {
	known := a.all()
	if len(known) == a.kept {
		return nil
	}
	var blob bytes.Buffer
	for _, cert := range known {
		if err := pem.Encode(&blob, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			return fmt.Errorf("keeping the authorities between: %w", err)
		}
	}
	if err := store.WriteFile(a.path, blob.Bytes()); err != nil {
		return fmt.Errorf("keeping the authorities between: %w", err)
	}
	a.kept = len(known)
	return nil
}
