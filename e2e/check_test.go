package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckBites: `ceralacca check`, which ends every test here, finds one octet that is not what it was.
func TestCheckBites(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, 1)
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

// TestCheckFindsEachViolation: one broken row for each invariant of design.md 3, and the checker goes on after it.
// norms.md 132
func TestCheckFindsEachViolation(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, 2)
	from, home, to := s.alfa().Mailboxes[0], s.alfa().Mailboxes[1], s.beta().Mailboxes[0]
	l := plainLetter(from.Address, to.Address)
	l.cc = []string{home.Address}
	s.submit(t, s.alfa(), from, l)
	s.settle(t)
	s.stop(t)
	s.check(t)
	database := filepath.Join(s.path(s.alfa().DataDir), "store.db")
	tool(t, "sqlite3", database, "PRAGMA wal_checkpoint(TRUNCATE)")
	sound := readFile(t, database)
	for name, c := range map[string]struct{ sql, want string }{
		"no acceptance":                   {"DELETE FROM issued WHERE step = 'accept'", "where an acceptance is due"},
		"delivered without a receipt":     {"DELETE FROM heard WHERE kind = 'avvenuta-consegna'", "no avvenuta-consegna was heard or issued"},
		"pending though a receipt came":   {"UPDATE tracking SET state = 'pending'", "is pending, but avvenuta-consegna was heard"},
		"two outcomes":                    {"INSERT INTO heard SELECT issuer || 'x', provider, pec_id, recipient, 'errore-consegna', message, digest, fact FROM heard WHERE kind = 'avvenuta-consegna'", "has two outcomes"},
		"a receipt without a deposit":     {"DELETE FROM deposit", "which was not deposited"},
		"a deposit without a record":      {"INSERT INTO deposit SELECT provider, pec_id, 'x@y', at, fact FROM deposit", "but no record says so"},
		"a recipient without a record":    {"INSERT INTO tracking SELECT provider, pec_id, 'x@y', state, at, taken_at, outcome_at, first_notice_at, final_notice_at, fact FROM tracking LIMIT 1", "but its records say"},
		"a fact that is missing":          {"DELETE FROM event; DELETE FROM fact WHERE no = 2", "fact 2 is missing"},
		"a record that was changed":       {"UPDATE fact SET record = CAST(replace(record, 'event accepted', 'event acceptes') AS BLOB)", "cannot be read"},
		"an event that no record has":     {"INSERT INTO event SELECT provider, pec_id, 'x@y', kind, fact, n, at FROM event LIMIT 1", "the index and the records differ"},
		"a notice that was not issued":    {"UPDATE tracking SET first_notice_at = 1", "no such notice was issued"},
		"a notice that tracking lacks":    {"INSERT INTO issued SELECT provider, pec_id, recipient, 'overdue-24', 'preavviso-errore-consegna', message, fact FROM heard WHERE kind = 'avvenuta-consegna'", "tracking does not know it"},
		"silence that nobody looks after": {"UPDATE tracking SET state = 'pending', outcome_at = NULL", "nothing looks after its silence"},
		"a task without a fact":           {"INSERT INTO task SELECT randomblob(16), 'relay', 0, 0, 0, message, '', '', '', '', '', '', x'00', '' FROM entry LIMIT 1", "has no fact"},
		"a digest that is not the signed": {"UPDATE message SET signed_sha256 = x'00' WHERE kind = 'accettazione'", "is not the recorded one"},
		"offsets that are not its parts":  {"UPDATE message SET structure = (SELECT structure FROM message WHERE kind = 'posta-certificata') WHERE kind = 'accettazione'", "are not those of its octets"},
		"another original":                {"UPDATE envelope SET header = CAST('From: x' || char(13, 10, 13, 10) AS BLOB)", "is not the one that was accepted"},
		"a content of other octets":       {"UPDATE content SET sha256 = x'00' WHERE size < 400", "its SHA-256 is another one"},
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, database, sound)
			tool(t, "sqlite3", database, "PRAGMA foreign_keys = OFF; "+c.sql)
			r := s.tryAdmin(t, s.alfa(), "", "check")
			if r.status == 0 || !strings.Contains(r.stdout, c.want) {
				t.Errorf("check ends with status %d and says %s%s", r.status, r.stdout, r.stderr)
			}
		})
	}
}
