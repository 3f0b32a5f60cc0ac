package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

// maxURLs of each kind are tried for one certificate.
const maxURLs = 4

// Fetcher gets CRLs and OCSP responses from the network: each CRL once, and nothing more of a host that did not answer. It is for one
// occasion, a run of a command or one refresh. Safe for concurrent use, one request at a time.
type Fetcher struct {
	client *http.Client
	own    *http.Client // for more
	more   []string     // URLs of CRLs beside those that certificates name

	mu   sync.Mutex
	crls map[string]fetched // by URL
	down map[server]error
}

// server is a host as a client sees it: what one may not reach another may.
type server struct {
	client *http.Client
	host   string
}

type fetched struct {
	pieces []*piece
	err    error
}

// NewFetcher makes one. crls are the URLs of CRLs that are tried after those that a certificate names.
func NewFetcher(client *http.Client, crls ...string) *Fetcher {
	return &Fetcher{client: client, own: client, more: crls, crls: map[string]fetched{}, down: map[server]error{}}
}

// Fetch gets what there is about the certificates of a path, from the signer to the anchor, for an instant: the CRLs that they name
// (RFC 5280 4.2.1.13), and OCSP responses (RFC 5280 4.2.2.1) where these leave the instant Unknown. Only http and https are tried, LDAP is passed
// over. What comes is for New and With, and may be kept in files. The error says of each certificate that stays Unknown why; the blobs beside it
// are good nevertheless.
func (f *Fetcher) Fetch(ctx context.Context, path []*x509.Certificate, at time.Time) ([][]byte, error) {
	var blobs [][]byte
	var failed []error
	for i := range max(0, len(path)-1) {
		found, err := f.find(ctx, path[i], path[i+1], at)
		for _, p := range found {
			blobs = append(blobs, p.der)
		}
		failed = append(failed, err)
	}
	return blobs, errors.Join(failed...)
}

// find returns pieces of the issuer, each verified. The error says why they leave the certificate Unknown.
func (f *Fetcher) find(ctx context.Context, cert, issuer *x509.Certificate, at time.Time) (found []*piece, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failed []error
	status := func() Status { return new(Evidence).with(found).Status(cert, issuer, at) }
	take := func(from string, pieces []*piece, err error) (enough bool) {
		for _, p := range pieces {
			if err = p.signedBy(issuer); err == nil {
				found = append(found, p)
			}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", from, err))
		}
		return status().State != Unknown
	}
	for _, from := range slices.Concat(webURLs(cert.CRLDistributionPoints), f.more) {
		if pieces, err := f.crl(ctx, from); take(from, pieces, err) {
			return found, nil
		}
	}
	for _, from := range webURLs(cert.OCSPServer) {
		if pieces, err := f.ask(ctx, from, cert, issuer); take(from, pieces, err) {
			return found, nil
		}
	}
	switch {
	case len(found) > 0:
		failed = append(failed, errors.New(status().Why))
	case len(failed) == 0:
		failed = append(failed, errors.New("it names no CRL and no OCSP responder on the web"))
	}
	return found, fmt.Errorf("fetch revocation of %s, serial number %x: %w", cert.Subject, cert.SerialNumber, errors.Join(failed...))
}

// webURLs are those that can be fetched.
func webURLs(named []string) (usable []string) {
	for _, name := range named {
		if u, err := url.Parse(name); err == nil && (u.Scheme == "http" || u.Scheme == "https") && len(usable) < maxURLs {
			usable = append(usable, name)
		}
	}
	return usable
}

func (f *Fetcher) crl(ctx context.Context, from string) ([]*piece, error) {
	if known, ok := f.crls[from]; ok {
		return known.pieces, known.err
	}
	client := f.client
	if slices.Contains(f.more, from) {
		client = f.own
	}
	var got fetched
	got.pieces, got.err = f.request(ctx, client, http.MethodGet, from, nil, maxPiece)
	f.crls[from] = got
	return got.pieces, got.err
}

// ask sends an OCSP request (RFC 6960 appendix A.1). It has no nonce: many responders sign in advance and bear none.
func (f *Fetcher) ask(ctx context.Context, from string, cert, issuer *x509.Certificate) ([]*piece, error) {
	question, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return nil, fmt.Errorf("make an OCSP request: %w", err)
	}
	pieces, err := f.request(ctx, f.client, http.MethodPost, from, bytes.NewReader(question), maxAnswer)
	if err != nil {
		return nil, err
	}
	for _, p := range pieces {
		if _, err := p.says(cert, issuer); err != nil {
			return nil, err
		}
	}
	return pieces, nil
}

// request gets a blob and reads it.
func (f *Fetcher) request(ctx context.Context, client *http.Client, method, from string, question io.Reader, limit int64) ([]*piece, error) {
	req, err := http.NewRequestWithContext(ctx, method, from, question)
	if err != nil {
		return nil, err
	}
	if question != nil {
		req.Header.Set("Content-Type", "application/ocsp-request")
	}
	asked := server{client, req.URL.Host}
	if err := f.down[asked]; err != nil {
		return nil, fmt.Errorf("not asked again: %w", err)
	}
	blob, broken, err := exchange(ctx, client, req, limit)
	if broken {
		f.down[asked] = err
	}
	if err != nil {
		return nil, err
	}
	return parse(blob)
}
