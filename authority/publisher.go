package authority

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/smime"
)

const (
	// Path is where the Publisher answers.
	Path = "/igpec.ldif.p7m"
	// ContentType is that of RFC 6109 4.5.6.
	ContentType = "application/pkcs7-mime; smime-type=signed-data"

	signEvery = time.Hour
)

// Publisher serves the signed directory over HTTP at Path. Safe for concurrent use.
type Publisher struct {
	signer *smime.Signer
	url    string
	now    func() time.Time

	mu       sync.Mutex
	ldif     []byte
	signed   []byte    // ldif as it was last signed; nil when it was not yet
	signedAt time.Time // by the law's clock
}

// NewPublisher publishes entries; url is the LDIFLocationURL of the root, now the law's clock. It is an error if the entries cannot be read back as
// they are (directory.Marshal).
func NewPublisher(signer *smime.Signer, entries []*directory.Entry, url string, now func() time.Time) (*Publisher, error) {
	p := &Publisher{signer: signer, url: url, now: now}
	if err := p.SetEntries(entries); err != nil {
		return nil, err
	}
	return p, nil
}

// SetEntries replaces what is published; the next request gets it, signed anew. On an error the entries before stay.
func (p *Publisher) SetEntries(entries []*directory.Entry) error {
	ldif, err := directory.Marshal(entries, p.url)
	if err != nil {
		return fmt.Errorf("publish directory: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !bytes.Equal(ldif, p.ldif) {
		p.ldif, p.signed = ldif, nil
	}
	return nil
}

// Signed is the file as it is served now: signed at most an hour ago, by the law's clock.
func (p *Publisher) Signed() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.signed != nil && now.Sub(p.signedAt) < signEvery {
		return p.signed, nil
	}
	signed, err := p.signer.SignAttached(p.ldif, now)
	if err != nil {
		return nil, fmt.Errorf("sign directory: %w", err)
	}
	p.signed, p.signedAt = signed, now
	return signed, nil
}

// ServeHTTP answers GET and HEAD of Path. Who may ask is decided by the server's TLS (ServerTLS).
func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != Path {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	signed, err := p.Signed()
	if err != nil {
		http.Error(w, "the directory cannot be signed", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", ContentType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(signed))
}

// ServerTLS is the configuration of the directory's server: TLS 1.2 at least, and only for clients with a client certificate that
// the authority issued (RFC 6109 5.6). now is the clock by which certificates are valid; nil: the system's.
func ServerTLS(server tls.Certificate, authority *x509.Certificate, now func() time.Time) *tls.Config {
	clients := x509.NewCertPool()
	clients.AddCert(authority)
	return &tls.Config{
		Certificates: []tls.Certificate{server},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
		MinVersion:   tls.VersionTLS12,
		Time:         now,
	}
}
