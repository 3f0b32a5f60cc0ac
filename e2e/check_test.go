package e2e

import (
	"path/filepath"
	"testing"
)

// TestCheckBites: `ceralacca check`, which ends every test here, finds one octet that is not what it was.
func TestCheckBites(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 1)
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	s.settle(t)
	s.stop(t)
	s.check(t)
	segments, err := filepath.Glob(filepath.Join(s.path(s.alfa().DataDir), "segments", "*"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("the segments are %q: %v", segments, err)
	}
	octets := readFile(t, segments[0])
	octets[len(octets)/2] ^= 1
	writeFile(t, segments[0], octets)
	r := s.tryAdmin(t, s.alfa(), "", "check")
	if r.status == 0 {
		t.Errorf("check ends with status 0:\n%s%s", r.stdout, r.stderr)
	}
	t.Log(r.stdout + r.stderr)
}
