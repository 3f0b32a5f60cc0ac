package smime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	random "math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// judge verifies a letter and returns the octets that were signed.
type judge func(letter) (signed []byte, err error)

// judgeOurs verifies all signers and their paths.
func judgeOurs(l letter) ([]byte, error) {
	if l.message {
		return judgeMessage(l.octets)
	}
	sd, err := Parse(l.octets)
	if err != nil {
		return nil, err
	}
	signatures, err := sd.VerifyAll(digestsOf(testChild))
	if err != nil {
		return nil, err
	}
	for _, s := range signatures {
		if _, err := testAuthority().path(s); err != nil {
			return nil, err
		}
	}
	return []byte(testChild), nil
}

func judgeMessage(message []byte) ([]byte, error) {
	m, err := split(string(message))
	if err != nil {
		return nil, err
	}
	signed := message[m.Start:m.End]
	signature, err := m.Verify()
	if need := (*NeedDigest)(nil); errors.As(err, &need) {
		signature, err = must(Parse(m.Signature)).Verify(must(digestsOf(string(signed))(need.Hash)))
	}
	if err != nil {
		return nil, err
	}
	_, err = testAuthority().path(signature)
	return signed, err
}

// judgeTheirs asks openssl, at its lowest level of security: what it holds for
// weak is ours to judge. It may run in several goroutines. A message is read
// without -binary, with which openssl 3.0 does not split at CRLF.
func (w workshop) judgeTheirs(l letter) ([]byte, error) {
	args := strings.Fields("cms -verify -purpose smimesign -auth_level 0 -CAfile root.pem -no-CApath -no-CAstore -inform")
	if l.message {
		args = append(args, "SMIME")
	} else {
		args = append(args, "DER", "-binary", "-content", "child")
	}
	cmd := exec.Command("openssl", append(args, "-attime", fmt.Sprint(signingInstant.Unix()))...)
	cmd.Dir, cmd.Stdin = w.dir, bytes.NewReader(l.octets)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, problems.String())
	}
	return out.Bytes(), nil
}

// verdict is what both say of one letter.
type verdict struct {
	letter
	seed                     uint64
	ours, theirs             error
	ourContent, theirContent []byte
}

// compare draws letters by seeds and hands out what both judges say of those
// that we accept, and of every so many others. It ends early with ctx.
func compare(ctx context.Context, seeds, others uint64, ours, theirs judge) <-chan verdict {
	verdicts := make(chan verdict)
	var next atomic.Uint64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for seed := next.Add(1); seed <= seeds && ctx.Err() == nil; seed = next.Add(1) {
				v := verdict{letter: newLetter(random.New(random.NewPCG(seed, 5652))), seed: seed}
				if v.ourContent, v.ours = ours(v.letter); v.ours != nil && seed%others != 0 {
					continue
				}
				v.theirContent, v.theirs = theirs(v.letter)
				select {
				case verdicts <- v:
				case <-ctx.Done():
				}
			}
		})
	}
	go func() {
		all.Wait()
		close(verdicts)
	}()
	return verdicts
}

// difference says why a verdict must not be: we accept what openssl refuses, or
// we take other octets for signed.
func (v verdict) difference() error {
	switch {
	case v.ours != nil:
		return nil
	case v.theirs != nil:
		return fmt.Errorf("%s, seed %d: we accept, but openssl: %w\n%.4000q", v.kind, v.seed, v.theirs, v.octets)
	case !bytes.Equal(v.ourContent, v.theirContent):
		return fmt.Errorf("%s, seed %d: we read %q, openssl %q", v.kind, v.seed, v.ourContent, v.theirContent)
	}
	return nil
}

// knownDifference is a reason for which we accept what openssl refuses. The
// package comment tells of them too.
type knownDifference struct {
	why string
	is  func(v verdict, theirs judge) bool
}

var knownDifferences = []knownDifference{
	{"certificates, attributes and parameters in BER are read as DER (norms.md 51), openssl wants them in DER", isOnlyBER},
	{"a certificate of the bag that cannot be read, and that nobody needs, does no harm (quirks.md E8)", hasUnreadable},
	{"a parameter of a Content-Type without a value is passed over", hasValueless},
}

// isOnlyBER asks again for the signature in DER.
func isOnlyBER(v verdict, theirs judge) bool {
	if !strings.Contains(v.kind, "BER") || string(v.ourContent) != testChild {
		return false
	}
	again, err := toDER(v.signature())
	if err == nil {
		_, err = theirs(letter{octets: again})
	}
	return err == nil
}

func hasUnreadable(v verdict, _ judge) bool {
	sd, err := Parse(v.signature())
	return err == nil && sd.unusable != nil && strings.Contains(v.theirs.Error(), "Error reading")
}

func hasValueless(v verdict, _ judge) bool {
	if !v.message || !strings.Contains(v.theirs.Error(), "no multipart boundary") {
		return false
	}
	parameters := strings.Split(fields(v.octets[:headerEnd(v.octets, 0)], "Content-Type")[0], ";")
	return slices.ContainsFunc(parameters[1:], func(p string) bool { return !strings.Contains(p, "=") })
}

// signature returns the CMS octets of a letter that we accept.
func (l letter) signature() []byte {
	if l.message {
		return must(split(string(l.octets))).Signature
	}
	return l.octets
}

const (
	acceptedByUs  = "accepted by us"
	refusedByBoth = "refused by both"
)

// outcome is what is counted of a verdict.
func (v verdict) outcome(theirs judge) string {
	if v.ours != nil && v.theirs != nil {
		return refusedByBoth
	}
	if v.ours != nil {
		return "refused by us alone: " + reasonOf(v.ours)
	}
	if v.theirs != nil {
		for _, d := range knownDifferences {
			if d.is(v, theirs) {
				return acceptedByUs + " alone: " + d.why
			}
		}
	}
	return acceptedByUs
}

func reasonOf(err error) string {
	for _, reason := range []error{ErrNotSigned, ErrMalformed, ErrSigners, ErrNoCertificate, ErrAlgorithm, ErrAttributes, ErrDigest, ErrSignature,
		ErrNoPath, ErrExpired, ErrNotYetValid, ErrConstraint} {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return fmt.Sprint(err)
}

// Whatever mutated letter we call valid, openssl does too, and for the same
// octets, but for the known differences. What only we refuse is counted.
// LETTERS draws more than fit into every day's test.
// attacks.md 12, 13, 20
func TestDifferential(t *testing.T) {
	letters := uint64(2500)
	if text := os.Getenv("LETTERS"); text != "" {
		letters = must(strconv.ParseUint(text, 10, 64))
	}
	w := newWorkshop(t, nil)
	w.write("child", []byte(testChild))
	asked, count := 0, map[string]int{}
	for v := range compare(t.Context(), letters, 8, judgeOurs, w.judgeTheirs) {
		outcome := v.outcome(w.judgeTheirs)
		if err := v.difference(); outcome == acceptedByUs && err != nil {
			t.Error(err)
		}
		count[outcome]++
		asked++
	}
	for _, what := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%6d %s", count[what], what)
	}
	if count[acceptedByUs] < asked/4 || count[refusedByBoth] < asked/10 {
		t.Error("the mutations do not test what they should")
	}
}

// A leniency of any kind would be seen: here each is planted.
func TestDifferentialSeesLeniency(t *testing.T) {
	w := newWorkshop(t, nil)
	w.write("child", []byte(testChild))
	for _, leniency := range []error{ErrNotSigned, ErrMalformed, ErrNoCertificate, ErrAlgorithm, ErrAttributes, ErrDigest, ErrSignature, ErrNoPath} {
		lenient := func(l letter) ([]byte, error) {
			signed, err := judgeOurs(l)
			if errors.Is(err, leniency) {
				return []byte(testChild), nil
			}
			return signed, errors.Join(err, errUnasked)
		}
		if !isSeen(t.Context(), lenient, w.judgeTheirs) {
			t.Errorf("nobody sees that we tolerate: %v", leniency)
		}
	}
}

// errUnasked keeps all letters but the tolerated from being compared.
var errUnasked = errors.New("not of interest")

func isSeen(ctx context.Context, ours, theirs judge) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := false
	for v := range compare(ctx, 2000, 2000, ours, theirs) {
		if v.difference() != nil {
			seen = true
			cancel()
		}
	}
	return seen
}
