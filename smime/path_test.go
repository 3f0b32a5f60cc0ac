package smime

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// acceptedAlone are the paths that openssl refuses and we accept, with the
// reason. The package comment tells of them too.
var acceptedAlone = map[string]string{
	"anchor expired":            "the dates of an anchor do not count: archives outlive it (RFC 5280 6.1.1 (d))",
	"anchor not yet valid":      "the same; AgID CA1 was issued six times with one key (quirks.md E9)",
	"last second":               "notAfter is within the validity (RFC 5280 4.1.2.5), for openssl it is not",
	"within a second":           "the same: dates count whole seconds",
	"another country permitted": "names of directories are not held against constraints that are not critical (quirks.md E12)",
	"this country excluded":     "the same",
	"any extended usage":        "any usage serves for mail too (RFC 5280 4.2.1.12)",
}

// refusedAlone are the paths that we refuse and openssl accepts, with the
// reason.
var refusedAlone = map[string]string{
	"leaf as anchor":                             "an anchor vouches for what it issued, not for itself",
	"nine certificates":                          "the search is bounded",
	"signed with MD5":                            "collisions are found in seconds; openssl is asked at its lowest level",
	"signed with SHA-1 too late":                 "SHA-1 is a policy of dates here (norms.md 52); openssl is asked at its lowest level",
	"signed with SHA-1, which is never borne":    "the same",
	"authority with critical policy constraints": "policies are not judged, so their constraints cannot be kept",
	"country permitted, critical":                "names of directories are not judged, so critical constraints on them cannot be kept",
}

// Every era, good and broken each in one way: the reason is the right one, and
// openssl judges the same.
// norms.md 49, 120
func TestPathAgainstOpenSSL(t *testing.T) {
	all := slices.Concat(goodPaths(), signedPaths(), brokenPaths(), barredPaths())
	for _, e := range eras() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t, nil)
			for _, test := range all {
				trial := newTrial(e)
				if test.dress != nil {
					test.dress(trial)
				}
				f := trial.issue()
				if test.arrange != nil {
					test.arrange(f)
				}
				path, err := f.path()
				wantError(t, test.name, err, test.want)
				if err == nil {
					checkPath(t, test.name, f, path)
				}
				compareWithOpenSSL(t, w, test, f)
			}
		})
	}
}

// checkPath holds a path against what it promises.
func checkPath(t *testing.T, name string, f *family, path []*x509.Certificate) {
	t.Helper()
	last := len(path) - 1
	if last < 1 || last >= maxPath || path[0] != f.leaf || !slices.Contains(f.anchors, path[last]) {
		t.Fatalf("%s: a path of %d", name, len(path))
	}
	for i, c := range path[:last] {
		if !bytes.Equal(c.RawIssuer, path[i+1].RawSubject) || f.at.Before(c.NotBefore) || f.at.Truncate(time.Second).After(c.NotAfter) {
			t.Errorf("%s: certificate %d does not belong there", name, i)
		}
	}
}

func compareWithOpenSSL(t *testing.T, w workshop, test pathCase, f *family) {
	t.Helper()
	theirs := w.opensslPath(f)
	switch why := acceptedAlone[test.name]; {
	case test.want == nil && theirs != nil && why == "":
		t.Errorf("%s: we accept, but %v", test.name, theirs)
	case test.want == nil && theirs == nil && why != "":
		t.Errorf("%s: is no difference: openssl accepts it", test.name)
	}
	switch why := refusedAlone[test.name]; {
	case test.want != nil && theirs == nil && why == "":
		t.Errorf("%s: we refuse, but openssl accepts", test.name)
	case test.want != nil && theirs != nil && why != "":
		t.Errorf("%s: is no difference: %v", test.name, theirs)
	}
}

// opensslPath asks openssl for a path at the instant.
func (w workshop) opensslPath(f *family) error {
	bundle := func(name string, certificates []*x509.Certificate) {
		var all bytes.Buffer
		for _, c := range certificates {
			all.Write(pemOf(c))
		}
		w.write(name, all.Bytes())
	}
	bundle("anchors.pem", f.anchors)
	bundle("bag.pem", f.bag)
	bundle("leaf.pem", []*x509.Certificate{f.leaf})
	args := strings.Fields("verify -partial_chain -purpose smimesign -auth_level 0 -untrusted bag.pem")
	if len(f.anchors) > 0 {
		args = append(args, "-CAfile", "anchors.pem")
	}
	_, err := w.openssl(append(args, "-no-CApath", "-no-CAstore", "-attime", fmt.Sprint(f.at.Unix()), "leaf.pem")...)
	return err
}

func TestPathNeedsAnInstant(t *testing.T) {
	f := newTrial(eras()[2]).issue()
	f.at = time.Time{}
	if path, err := f.path(); path != nil || err == nil {
		t.Errorf("a path of %d without an instant", len(path))
	}
	if _, err := new(Signature).Path(nil, PathPolicy{At: signingInstant}); err == nil {
		t.Error("a path from nothing")
	}
}

// If several ways fail, the one that came nearest is told.
func TestPathTellsTheNearest(t *testing.T) {
	build := func() *family { return newTrial(eras()[2]).issue() }
	expired := func(f *family) *x509.Certificate {
		return f.again(func(c *x509.Certificate) { c.NotAfter = f.at.AddDate(0, 0, -1) })
	}
	barred := func(f *family) *x509.Certificate {
		return f.again(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	}
	weak := func(f *family) *x509.Certificate {
		return f.again(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })
	}
	for _, test := range []struct {
		name string
		bag  []func(*family) *x509.Certificate
		want error
	}{
		{"barred or expired", []func(*family) *x509.Certificate{barred, expired}, ErrExpired},
		{"expired or barred", []func(*family) *x509.Certificate{expired, barred}, ErrExpired},
		{"weak or barred", []func(*family) *x509.Certificate{weak, barred}, ErrAlgorithm},
		{"barred or nothing", []func(*family) *x509.Certificate{barred}, ErrConstraint},
	} {
		f := build()
		var bag []*x509.Certificate
		for _, issue := range test.bag {
			bag = append(bag, issue(f))
		}
		f.enclose(bag...)
		_, err := f.path()
		wantError(t, test.name, err, test.want)
	}
	f := build()
	f.anchors, f.at = nil, f.at.AddDate(50, 0, 0)
	_, err := f.path()
	wantError(t, "expired, and leads nowhere", err, ErrNoPath)
}

// A bag full of authorities of one name cannot cost more than the checks that
// are allowed.
func TestAttackCrowdedBag(t *testing.T) {
	f := newTrial(eras()[2]).issue()
	template := *f.trial.authority
	template.SignatureAlgorithm = x509.UnknownSignatureAlgorithm
	var crowd []*x509.Certificate
	for range maxCertificates {
		key := newP256()
		crowd = append(crowd, issue(&template, &template, key.Public(), key))
	}
	f.enclose(crowd...)
	search := pathSearch{anchors: f.anchors, bag: f.bag, policy: PathPolicy{At: f.at}, checksLeft: maxLinkChecks}
	if path := search.extend([]*x509.Certificate{f.leaf}, nil); path != nil || search.checksLeft != 0 {
		t.Errorf("a path of %d, %d checks left", len(path), search.checksLeft)
	}
	_, err := f.path()
	wantError(t, "crowd", err, ErrNoPath)
	f.bag = append(f.bag, f.authority)
	f.anchors = []*x509.Certificate{f.authority}
	if _, err := f.path(); err != nil { // anchors come first
		t.Error(err)
	}
}

func TestAnchorsAreImmutable(t *testing.T) {
	root := testAuthority().root
	given := []*x509.Certificate{root}
	a := NewAnchors(given...)
	given[0] = nil
	a.Certificates()[0] = nil
	if got := a.Certificates(); len(got) != 1 || got[0] != root {
		t.Errorf("anchors %v", got)
	}
	var none *Anchors
	if len(none.Certificates()) != 0 {
		t.Error("nil anchors something")
	}
}

// norms.md 52
func TestWeaknesses(t *testing.T) {
	old, new := newTrial(eras()[1]).issue(), newTrial(eras()[3]).issue()
	old.root.PublicKey = &oldKey().PublicKey
	for _, test := range []struct {
		name string
		f    *family
		sha1 bool
		path bool
		want []Weakness
	}{
		{"2026", new, false, true, nil},
		{"2026 with SHA-1", new, true, true, []Weakness{WeakDigest}},
		{"2014", old, true, true, []Weakness{WeakDigest, WeakKey, WeakAuthority, WeakCertificate}},
		{"2014 without a path", old, false, false, []Weakness{WeakKey}},
	} {
		s := &Signature{Certificate: test.f.leaf, Hash: map[bool]crypto.Hash{true: crypto.SHA1, false: crypto.SHA256}[test.sha1]}
		var path []*x509.Certificate
		if test.path {
			path = []*x509.Certificate{test.f.leaf, test.f.authority, test.f.root}
		}
		got := s.Weaknesses(path)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	for w := Weakness(0); w <= WeakCertificate+1; w++ {
		if known := w > 0 && w <= WeakCertificate; known == strings.Contains(w.String(), "unknown") {
			t.Errorf("%d is called %q", int(w), w)
		}
	}
}
