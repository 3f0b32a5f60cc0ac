package revocation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// attacks.md 11: a certificate names the URLs; none may lead into a private network.
func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"193.205.245.6": true, "8.8.8.8": true, "2a00:1450:4002::1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "0.0.0.0": false, "0.1.2.3": false,
		"100.64.0.1": false, "198.18.0.1": false, "192.0.2.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::1": false, "::": false, "fe80::1": false, "fd00::1": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::1": false, "2001::1": false, "2001:db8::1": false,
	} {
		if got := Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}

func everywhere(netip.Addr) bool { return true }

// get asks with a client and tells what came.
func get(t *testing.T, client *http.Client, url string, limit int64) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := exchange(t.Context(), client, req, limit)
	return string(body), err
}

func TestClient(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/crl", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the list") })
	mux.Handle("/moved", http.RedirectHandler("/crl", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.Handle("/elsewhere", http.RedirectHandler("http://elsewhere.invalid/crl", http.StatusFound))
	server := httptest.NewServer(mux)
	defer server.Close()
	named := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	for _, c := range []struct {
		url     string
		allowed func(netip.Addr) bool
		limit   int64
		want    string
	}{
		{server.URL + "/crl", everywhere, 8, ""},
		{server.URL + "/moved", everywhere, 8, ""},
		{server.URL + "/crl", everywhere, 7, "more than 7 octets"},
		{server.URL + "/none", everywhere, 8, "status 404"},
		{server.URL + "/loop", everywhere, 8, "too many redirects"},
		{server.URL + "/elsewhere", everywhere, 8, "redirect elsewhere, to http://elsewhere.invalid/crl"},
		{server.URL + "/crl", Public, 8, "127.0.0.1 is not allowed"},
		{named + "/crl", Public, 8, "is not allowed"},
	} {
		got, err := get(t, NewClient(c.allowed), c.url, c.limit)
		if c.want == "" && (err != nil || got != "the list") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %q, %v, wanted an error about %q", c.url, got, err, c.want)
		}
	}
}

// network is a web without sockets, so that it may stand in a bubble of synctest: by URL what it answers.
type network struct {
	pages map[string]func(*http.Request) (status int, body []byte)
	asked []string
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	n.asked = append(n.asked, req.URL.String())
	page, ok := n.pages[req.URL.String()]
	if !ok {
		return nil, fmt.Errorf("no route to %s", req.URL.Host)
	}
	status, body := page(req)
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(bytes.NewReader(body)), Request: req}, nil
}

func (n *network) client() *http.Client { return &http.Client{Transport: n} }

// serve answers with a blob.
func (n *network) serve(url string, blob []byte) {
	n.answer(url, func(*http.Request) (int, []byte) { return http.StatusOK, blob })
}

func (n *network) answer(url string, page func(*http.Request) (int, []byte)) {
	if n.pages == nil {
		n.pages = map[string]func(*http.Request) (int, []byte){}
	}
	n.pages[url] = page
}

func (n *network) gone(url string) { delete(n.pages, url) }

// A server that never answers costs half a minute.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		stuck := &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})}
		_, err := get(t, stuck, "http://ca.example/crl", 8)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
