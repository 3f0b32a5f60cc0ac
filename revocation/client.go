package revocation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// patience bounds one request, from the look-up of the host to the last octet.
const patience = 30 * time.Second

// NewClient makes the HTTP client for URLs that stand in certificates, which others choose: it connects only to addresses that are
// allowed, looked at after the name was resolved, uses no proxy, which would hide them, follows three redirects on one host at most and keeps no
// connection. allowed is Public, unless authorities have their servers in a private network.
func NewClient(allowed func(netip.Addr) bool) *http.Client {
	dialer := &net.Dialer{Timeout: patience, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address %q cannot be read: %w", address, err)
		}
		if !allowed(to.Addr().Unmap()) {
			return fmt.Errorf("address %s is not allowed for what a certificate names", to.Addr())
		}
		return nil
	}}
	return &http.Client{
		Timeout:       patience,
		CheckRedirect: sameHost,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: patience, DisableKeepAlives: true, DisableCompression: true,
		},
	}
}

func sameHost(req *http.Request, via []*http.Request) error {
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return fmt.Errorf("redirect elsewhere, to %s", req.URL.Redacted())
	}
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return nil
}

// Public tells an address of the public Internet from those of this machine, its neighbours, private networks and special uses.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, special := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", // some of them lead to an IPv4 address
	} {
		if netip.MustParsePrefix(special).Contains(a) {
			return false
		}
	}
	return a.Is4() || netip.MustParsePrefix("2000::/3").Contains(a)
}

// exchange sends a request and reads the answer. broken tells that the server is not there or too slow, from an answer that is of no use.
func exchange(ctx context.Context, client *http.Client, req *http.Request, limit int64) (body []byte, broken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := client.Do(req.WithContext(ctx))
	if err != nil {
		var told *url.Error // with the URL, which the caller tells
		if errors.As(err, &told) {
			err = told.Err
		}
		return nil, resp == nil, err // there is a response when its redirect is refused
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, false, fmt.Errorf("status %s", resp.Status)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, false, fmt.Errorf("the answer has more than %d octets", limit)
	}
	return body, err != nil, err
}
