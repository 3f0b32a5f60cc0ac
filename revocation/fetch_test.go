package revocation

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ocsp"
)

const (
	listURL   = "http://ca.example/CRL"
	answerURL = "http://ocsp.example/OCSP"
)

// naming is a signer whose certificate names where its revocation is told.
func naming(serial int64, lists, responders []string) *holder {
	return root().issue(serial, func(c *x509.Certificate) { c.CRLDistributionPoints, c.OCSPServer = lists, responders })
}

// respond is an OCSP responder for serial number 7 of root: it answers what it is asked.
func respond(blob func() []byte) func(req *http.Request) (int, []byte) {
	return func(req *http.Request) (int, []byte) {
		question, err := ocsp.ParseRequest(must(io.ReadAll(req.Body)))
		switch {
		case err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/ocsp-request":
			return http.StatusBadRequest, nil
		case question.SerialNumber.Int64() != 7:
			return http.StatusOK, ocsp.UnauthorizedErrorResponse
		}
		return http.StatusOK, blob()
	}
}

func TestFetch(t *testing.T) {
	fine, gone, old := root().crl(0, 10, nil), root().crl(0, 10, revoked(-3, 1)), root().crl(-20, -10, nil)
	answered := root().answer(0, 10, nil)
	const ldap = "ldap://ca.example/cn=CRL1?certificateRevocationList"
	both := naming(7, []string{ldap, listURL}, []string{answerURL})
	for name, c := range map[string]struct {
		cert  *holder
		list  []byte // nil: no such host
		ocsp  []byte
		state State
		asked []string
		err   string
	}{
		"list":                    {both, fine, answered, Good, []string{listURL}, ""},
		"list that revokes":       {both, gone, answered, Revoked, []string{listURL}, ""},
		"list as PEM":             {both, encoded("X509 CRL", fine), nil, Good, []string{listURL}, ""},
		"no list":                 {both, nil, answered, Good, []string{listURL, answerURL}, ""},
		"list past its end":       {both, old, answered, Good, []string{listURL, answerURL}, ""},
		"list of a twin":          {both, twin().crl(0, 10, nil), answered, Good, []string{listURL, answerURL}, ""},
		"no list but a page":      {both, []byte("<html>"), answered, Good, []string{listURL, answerURL}, ""},
		"neither":                 {both, nil, nil, Unknown, []string{listURL, answerURL}, "no route to ocsp.example"},
		"neither, the list ended": {both, old, nil, Unknown, []string{listURL, answerURL}, "counts until"},
		"answer is forged":        {both, nil, other().answer(0, 10, nil), Unknown, []string{listURL, answerURL}, answerURL + ": its signature does not count"},
		"answer of no use":        {naming(8, nil, []string{answerURL}), nil, answered, Unknown, []string{answerURL}, "unauthorized"},
		"nothing named":           {naming(7, []string{ldap}, nil), nil, nil, Unknown, nil, "it names no CRL and no OCSP responder on the web"},
		"too many named":          {naming(7, slices.Repeat([]string{listURL}, 9), nil), nil, nil, Unknown, []string{listURL}, "no route to ca.example"},
	} {
		t.Run(name, func(t *testing.T) {
			n := &network{}
			if c.list != nil {
				n.serve(listURL, c.list)
			}
			if c.ocsp != nil {
				n.answer(answerURL, respond(func() []byte { return c.ocsp }))
			}
			path := []*x509.Certificate{c.cert.Certificate, root().Certificate}
			blobs, err := NewFetcher(n.client()).Fetch(t.Context(), path, day(5))
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, wanted something about %q", err, c.err)
			}
			if got := mustNew(t, blobs...).Path(path, day(5)); got.State != c.state {
				t.Errorf("%+v", got)
			}
			for _, blob := range blobs {
				if got := mustNew(t, blob).Path(path, day(-15)); got.State == Unknown {
					t.Errorf("a blob that says nothing: %s", got.Why)
				}
			}
			if !slices.Equal(n.asked, c.asked) {
				t.Errorf("asked %q", n.asked)
			}
		})
	}
}

// One list serves all certificates that name it, and a host that is not there is asked once. Lists may be named beside the certificates.
func TestFetchOnce(t *testing.T) {
	n := &network{}
	n.serve(listURL, root().crl(0, 10, nil))
	f := NewFetcher(n.client(), "http://mirror.example/CRL", listURL)
	for serial := range int64(3) {
		cert := naming(7+serial, []string{"http://down.example/1", "http://down.example/2"}, nil)
		blobs, err := f.Fetch(t.Context(), []*x509.Certificate{cert.Certificate, root().Certificate}, day(5))
		if err != nil || len(blobs) != 1 {
			t.Errorf("%d blobs, %v", len(blobs), err)
		}
	}
	if want := []string{"http://down.example/1", "http://mirror.example/CRL", listURL}; !slices.Equal(n.asked, want) {
		t.Errorf("asked %q", n.asked)
	}
}

// The rest of the path is looked for too, and what one certificate lacks does not hide what another has.
func TestFetchPath(t *testing.T) {
	middle := root().issue(8, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.Subject.CommonName = true, true, "Middle"
		c.KeyUsage, c.CRLDistributionPoints = x509.KeyUsageCertSign|x509.KeyUsageCRLSign, []string{"http://root.example/CRL"}
	})
	leaf := middle.issue(7, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{listURL} })
	path := []*x509.Certificate{leaf.Certificate, middle.Certificate, root().Certificate}
	n := &network{}
	n.serve("http://root.example/CRL", root().crl(0, 10, nil))
	blobs, err := NewFetcher(n.client()).Fetch(t.Context(), path, day(5))
	if len(blobs) != 1 || err == nil || !strings.Contains(err.Error(), "CN=Signer, serial number 7: http://ca.example/CRL: no route to ca.example") {
		t.Errorf("%d blobs, %v", len(blobs), err)
	}
	n.serve(listURL, middle.crl(0, 10, nil))
	blobs, err = NewFetcher(n.client()).Fetch(t.Context(), path, day(5))
	if got := mustNew(t, blobs...).Path(path, day(5)); err != nil || got.State != Good {
		t.Errorf("%+v, %v", got, err)
	}
	if blobs, err := NewFetcher(n.client()).Fetch(t.Context(), nil, day(5)); len(blobs) != 0 || err != nil {
		t.Errorf("of no path: %d blobs, %v", len(blobs), err)
	}
}

// A list that was moved elsewhere is not followed there, and the responder on the same host is asked all the same.
func TestFetchMovedList(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/CRL", http.RedirectHandler("http://elsewhere.invalid/CRL", http.StatusFound))
	mux.HandleFunc("/OCSP", func(w http.ResponseWriter, req *http.Request) {
		status, blob := respond(func() []byte { return root().answer(0, 10, nil) })(req)
		w.WriteHeader(status)
		_, _ = w.Write(blob)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	cert := naming(7, []string{server.URL + "/CRL"}, []string{server.URL + "/OCSP"})
	blobs, err := NewFetcher(NewClient(everywhere)).Fetch(t.Context(), []*x509.Certificate{cert.Certificate, root().Certificate}, day(5))
	if len(blobs) != 1 || err != nil {
		t.Errorf("%d blobs, %v", len(blobs), err)
	}
}

// attacks.md 11: a private server is asked for the list that the operators name there, and for nothing that a certificate names there; that
// this was refused does not keep from the operators' list.
func TestFetchFromOwnPrivateServer(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked = append(asked, req.URL.Path)
		_, _ = w.Write(root().crl(0, 10, nil))
	}))
	defer server.Close()
	own, theirs := server.URL+"/own", server.URL+"/theirs"
	cert := naming(7, []string{theirs}, []string{theirs})
	path := []*x509.Certificate{cert.Certificate, root().Certificate}
	f := NewFetcher(NewClient(Public), own)
	if blobs, err := f.Fetch(t.Context(), path, day(5)); len(blobs) != 0 || err == nil {
		t.Errorf("without a client of its own: %d blobs, %v", len(blobs), err)
	}
	f = NewFetcher(NewClient(Public), own)
	f.own = NewClient(everywhere)
	blobs, err := f.Fetch(t.Context(), path, day(5))
	if err != nil || mustNew(t, blobs...).Path(path, day(5)).State != Good {
		t.Errorf("%d blobs, %v", len(blobs), err)
	}
	if !slices.Equal(asked, []string{"/own"}) {
		t.Errorf("asked for %q", asked)
	}
}
