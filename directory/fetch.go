package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// fetchTimeout bounds one fetch, MaxSize over a slow line included.
const fetchTimeout = 5 * time.Minute

// HTTPSFetch returns the fetch of a signed directory from an https URL (RFC 6109 5.6). client carries our certificate and the roots
// that the authority's server must chain to (by its Time); TLS is 1.2 at least (norms.md 143). More than MaxSize octets, another status than 200, a
// content type that is no application's and a redirect to another scheme or host are errors.
func HTTPSFetch(url string, client *tls.Config) func(ctx context.Context) ([]byte, error) {
	return httpsFetch(url, client, MaxSize)
}

func httpsFetch(url string, client *tls.Config, limit int64) func(ctx context.Context) ([]byte, error) {
	config := client.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	c := &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: sameOrigin,
		Transport:     &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true},
	}
	return func(ctx context.Context) ([]byte, error) {
		body, err := get(ctx, c, url, limit)
		if err != nil {
			return nil, fmt.Errorf("fetch directory from %s: %w", url, err)
		}
		return body, nil
	}
}

func get(ctx context.Context, c *http.Client, url string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme != "https" {
		return nil, errors.New("the directory is fetched over https only")
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	if err := checkContentType(resp.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("more than %d octets", limit)
	}
	return body, err
}

// checkContentType keeps out the pages of proxies and portals; the signature decides on the rest, so that octet-stream and the like, or
// nothing at all, will do.
func checkContentType(value string) error {
	kind, _, _ := mime.ParseMediaType(value)
	if value != "" && !strings.HasPrefix(kind, "application/") {
		return fmt.Errorf("content type %.80q instead of application/pkcs7-mime", value)
	}
	return nil
}

// sameOrigin follows a few redirects within one server: our certificate is for it alone.
func sameOrigin(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != via[0].URL.Scheme || req.URL.Host != via[0].URL.Host {
		return fmt.Errorf("redirect elsewhere, to %s", req.URL.Redacted())
	}
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return nil
}
