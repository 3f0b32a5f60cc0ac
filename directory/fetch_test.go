package directory

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// answers is a server with one path for each way to answer.
func answers(elsewhere string) http.Handler {
	mux := http.NewServeMux()
	typed := func(path, contentType string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{contentType}
			_, _ = io.WriteString(w, "signed")
		})
	}
	typed("/good", "application/pkcs7-mime; smime-type=signed-data")
	typed("/old", "Application/X-PKCS7-MIME")
	typed("/octets", "application/octet-stream")
	typed("/untyped", "")
	typed("/html", "text/html; charset=utf-8")
	mux.HandleFunc("/oversize", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/pkcs7-mime")
		_, _ = io.Copy(w, zeros{})
	})
	mux.Handle("/here", http.RedirectHandler("/good", http.StatusFound))
	mux.Handle("/there", http.RedirectHandler(elsewhere, http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	return mux
}

func newServer(t *testing.T, elsewhere string, config *tls.Config) *httptest.Server {
	server := httptest.NewUnstartedServer(answers(elsewhere))
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// norms.md 143
func TestHTTPSFetch(t *testing.T) {
	other := newServer(t, "", nil)
	server := newServer(t, other.URL+"/good", nil)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trusting := &tls.Config{RootCAs: roots}
	tests := []struct {
		url, want string // "" is a success
		config    *tls.Config
	}{
		{server.URL + "/good", "", trusting},
		{server.URL + "/old", "", trusting},
		{server.URL + "/octets", "", trusting},
		{server.URL + "/untyped", "", trusting},
		{server.URL + "/here", "", trusting},
		{server.URL + "/html", "content type", trusting},
		{server.URL + "/missing", "404", trusting},
		{server.URL + "/oversize", "more than 1048576 octets", trusting},
		{server.URL + "/there", "redirect elsewhere", trusting},
		{server.URL + "/loop", "too many redirects", trusting},
		{server.URL + "/good", "certificate", &tls.Config{}}, // a certificate that does not chain (attacks.md 19)
		{strings.Replace(server.URL, "https", "http", 1) + "/good", "https only", trusting},
		{"file:///etc/hostname", "https only", trusting},
		{"https://127.0.0.1:1/", "refused", trusting},
	}
	for _, test := range tests {
		body, err := httpsFetch(test.url, test.config, 1<<20)(t.Context())
		switch {
		case test.want == "" && (err != nil || !bytes.Equal(body, []byte("signed"))):
			t.Errorf("%s: %q, %v", test.url, body, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, wanted something about %q", test.url, err, test.want)
		}
	}
}

// norms.md 143
func TestHTTPSFetchRefusesOldTLS(t *testing.T) {
	server := newServer(t, "", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	_, err := HTTPSFetch(server.URL+"/good", &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10})(t.Context())
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v", err)
	}
}
