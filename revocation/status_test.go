package revocation

import (
	"crypto/x509"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ocsp"
	"pgregory.net/rapid"
)

// attacks.md 11, 32: what lists say of an instant. Numbers are days.
func TestStatusByCRL(t *testing.T) {
	const compromise, held = 1, 6
	empty := func(this, next float64) []byte { return root().crl(this, next, nil) }
	listed := func(this, next, since float64, reason int) []byte {
		return root().crl(this, next, revoked(since, reason))
	}
	keeps := func(from float64) []byte {
		return root().crl(110, 120, nil, extension(oidExpiredCertsOnCRL, false, day(from)))
	}
	justBefore, grown := 10-1e-5, 10+1./24
	for name, c := range map[string]struct {
		lists [][]byte
		at    float64
		want  expect
	}{
		"nothing is there":          {nil, 5, expect{state: Unknown, why: "there is no CRL and no OCSP response of CN=Root"}},
		"not listed":                {[][]byte{empty(0, 10)}, 5, expect{state: Good}},
		"not listed later":          {[][]byte{empty(20, 30)}, 5, expect{state: Good, asOf: 20}},
		"newest not after":          {[][]byte{empty(4, 14), empty(0, 10), empty(8, 18)}, 5, expect{state: Good, asOf: 4}},
		"last instant":              {[][]byte{empty(0, 10)}, 10, expect{state: Good}},
		"an hour late":              {[][]byte{empty(0, 10)}, grown, expect{state: Good}},
		"past nextUpdate":           {[][]byte{empty(0, 10)}, grown + 0.001, expect{state: Unknown, why: "counts until 2026-03-12T10:00:00Z only"}},
		"revoked":                   {[][]byte{listed(0, 10, -3, 0)}, 5, expect{state: Revoked, since: -3}},
		"revoked, with a reason":    {[][]byte{listed(0, 10, -3, compromise)}, 5, expect{state: Revoked, since: -3, reason: KeyCompromise}},
		"revoked at the instant":    {[][]byte{listed(20, 30, 10, 4)}, 10, expect{state: Revoked, since: 10, asOf: 20, reason: "superseded"}},
		"revoked after the instant": {[][]byte{listed(20, 30, 10, compromise)}, justBefore, expect{state: Good, asOf: 20, later: KeyCompromise}},
		"good then, revoked later":  {[][]byte{empty(0, 10), listed(20, 30, 12, 0)}, 5, expect{state: Good, later: "-"}},
		"revoked, in an old list":   {[][]byte{listed(0, 10, -3, 0)}, 50, expect{state: Revoked, since: -3}},
		"revoked, not listed later": {[][]byte{listed(0, 10, -3, 0), empty(20, 30)}, 25, expect{state: Revoked, since: -3}},
		"two dates of one":          {[][]byte{listed(0, 10, -3, 4), listed(4, 14, -5, compromise)}, 5, expect{state: Revoked, since: -5, asOf: 4, reason: KeyCompromise}},
		"two dates, both later":     {[][]byte{listed(20, 30, 12, 4), listed(21, 31, 9, compromise)}, 5, expect{state: Good, asOf: 20, later: KeyCompromise}},
		"revoked later, gap now":    {[][]byte{empty(0, 10), listed(20, 30, 18, 0)}, 15, expect{state: Good, asOf: 20, later: "-"}},

		"expired before the list":            {[][]byte{empty(110, 120)}, 5, expect{state: Unknown, why: "after the certificate had expired"}},
		"expired, the list keeps such":       {[][]byte{keeps(0)}, 5, expect{state: Good, asOf: 110}},
		"expired, the list keeps later ones": {[][]byte{keeps(105)}, 5, expect{state: Unknown, why: "after the certificate had expired"}},
		"expired and listed":                 {[][]byte{listed(110, 120, 3, 0)}, 5, expect{state: Revoked, since: 3, asOf: 110}},

		"held":                    {[][]byte{listed(0, 10, -3, held)}, 5, expect{state: Revoked, since: -3, reason: "certificateHold"}},
		"held, told afterwards":   {[][]byte{empty(0, 10), listed(6, 16, 4, held)}, 5, expect{state: Revoked, since: 4, asOf: 6, reason: "certificateHold"}},
		"before the hold":         {[][]byte{empty(0, 10), listed(6, 16, 4, held)}, 3, expect{state: Good, later: "certificateHold"}},
		"hold lifted":             {[][]byte{listed(0, 10, -3, held), empty(4, 14)}, 5, expect{state: Good, asOf: 4}},
		"hold, list past its end": {[][]byte{listed(0, 10, -3, held)}, 50, expect{state: Unknown, why: "counts until"}},
		"hold made final":         {[][]byte{listed(0, 10, -3, held), listed(4, 14, -3, compromise)}, 50, expect{state: Revoked, since: -3, asOf: 4, reason: KeyCompromise}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.check(t, mustNew(t, c.lists...).Status(signer().Certificate, root().Certificate, day(c.at)))
		})
	}
}

func TestInvalidityDate(t *testing.T) {
	for name, c := range map[string]struct{ date, want float64 }{
		"earlier than the revocation": {-20, -20},
		"later than the revocation":   {2, -3},
	} {
		list := root().crl(0, 10, revoked(-3, 1, extension(oidInvalidityDate, false, day(c.date))))
		got := mustNew(t, list).Status(signer().Certificate, root().Certificate, day(5))
		t.Run(name, func(t *testing.T) { expect{state: Revoked, since: c.want, reason: KeyCompromise}.check(t, got) })
	}
}

func TestReasons(t *testing.T) {
	for code, want := range map[int]string{0: "", 1: "keyCompromise", 5: "cessationOfOperation", 7: "", 10: "aACompromise", 11: "reason 11", -1: "reason -1"} {
		if got := reasonName(code); got != want {
			t.Errorf("%d: %q", code, got)
		}
	}
}

// Two entries of one serial number: the earlier revocation counts, whatever their order.
func TestListedTwice(t *testing.T) {
	entries := append(revoked(-3, 0), revoked(-8, 1)...)
	got := mustNew(t, root().crl(0, 10, entries)).Status(signer().Certificate, root().Certificate, day(5))
	expect{state: Revoked, since: -8, reason: KeyCompromise}.check(t, got)
}

func TestPath(t *testing.T) {
	middle := root().issue(7, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		c.Subject.CommonName = "Middle"
	})
	leaf := middle.issue(7, nil)
	path := []*x509.Certificate{leaf.Certificate, middle.Certificate, root().Certificate}
	fine := func(h *holder) []byte { return h.crl(0, 10, nil) }
	gone := func(h *holder) []byte { return h.crl(0, 10, revoked(-3, 2)) }
	late := func(h *holder) []byte { return h.crl(0, 10, revoked(6, 1)) }
	for name, c := range map[string]struct {
		blobs  [][]byte
		path   []*x509.Certificate
		want   State
		decide *x509.Certificate
		later  bool
	}{
		"all good":               {[][]byte{fine(middle), fine(root())}, path, Good, leaf.Certificate, false},
		"the issuer is revoked":  {[][]byte{fine(middle), gone(root())}, path, Revoked, middle.Certificate, false},
		"revoked beats unknown":  {[][]byte{gone(root())}, path, Revoked, middle.Certificate, false},
		"unknown beats good":     {[][]byte{fine(middle)}, path, Unknown, middle.Certificate, false},
		"both revoked":           {[][]byte{gone(middle), gone(root())}, path, Revoked, leaf.Certificate, false},
		"the issuer, later":      {[][]byte{fine(middle), late(root())}, path, Good, middle.Certificate, true},
		"unknown beats later":    {[][]byte{late(middle)}, path, Unknown, middle.Certificate, false},
		"the anchor alone":       {nil, path[2:], Good, root().Certificate, false},
		"nothing known":          {nil, path, Unknown, leaf.Certificate, false},
		"no path":                {nil, nil, Unknown, nil, false},
		"lists in the wrong way": {[][]byte{fine(root()), fine(other())}, path, Unknown, leaf.Certificate, false},
	} {
		got := mustNew(t, c.blobs...).Path(c.path, day(5))
		if got.State != c.want || got.Certificate != c.decide || (got.Later != nil) != c.later {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Later != nil && got.Later.Certificate != c.decide {
			t.Errorf("%s: later %+v", name, got.Later)
		}
	}
}

// Evidence that knows nothing may be nil; With leaves what it is called on as it was.
func TestEvidenceIsImmutable(t *testing.T) {
	at := day(5)
	state := func(e *Evidence) State { return e.Status(signer().Certificate, root().Certificate, at).State }
	var none *Evidence
	if state(none) != Unknown || state(new(Evidence)) != Unknown {
		t.Error("nothing is known and it is not Unknown")
	}
	before := mustNew(t, root().crl(0, 10, nil))
	answered := root().answer(1, 9, func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, day(-2) })
	after := must(before.With(answered, root().crl(1, 11, nil)))
	if state(before) != Good || state(after) != Revoked {
		t.Errorf("before %s, after %s", state(before), state(after))
	}
	if same := must(after.With(answered)); len(same.answers) != 1 || len(same.answers[serialKey(big.NewInt(7))]) != 1 {
		t.Error("the same piece is there twice")
	}
}

// Whatever the serial numbers are, exactly those listed are revoked.
func TestListedAreRevoked(t *testing.T) {
	serials := rapid.Custom(func(rt *rapid.T) *big.Int {
		octets := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(rt, "octets")
		octets[0] &= 0x7f // RFC 5280 4.1.2.2
		return new(big.Int).SetBytes(octets)
	})
	rapid.Check(t, func(rt *rapid.T) {
		listed := rapid.SliceOfNDistinct(serials, 0, 20, (*big.Int).String).Draw(rt, "listed")
		asked := rapid.OneOf(serials, rapid.SampledFrom(append(listed, big.NewInt(5)))).Draw(rt, "asked")
		var entries []x509.RevocationListEntry
		want := Good
		for _, s := range listed {
			entries = append(entries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: day(-3)})
			if s.Cmp(asked) == 0 {
				want = Revoked
			}
		}
		cert := &x509.Certificate{SerialNumber: asked, NotAfter: day(100)}
		got := must(New(root().crl(0, 10, entries))).Status(cert, root().Certificate, day(5))
		if got.State != want {
			rt.Errorf("%s: %s, listed %s", asked, got.State, listed)
		}
	})
}

// An archive of many lists does not make endless explanations.
func TestExplanationIsShort(t *testing.T) {
	var lists [][]byte
	for i := range 9 {
		lists = append(lists, root().crl(float64(i), float64(i)+1, nil))
	}
	why := mustNew(t, lists...).Status(signer().Certificate, root().Certificate, day(50)).Why
	if strings.Count(why, "counts until") != 3 || !strings.HasSuffix(why, "and 6 more") {
		t.Error(why)
	}
}
