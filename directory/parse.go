package directory

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on a directory file. The national one has some dozens of entries and hundreds of thousands of domains.
const (
	// MaxSize is the largest file read, signed or not, in octets.
	MaxSize         = 64 << 20
	maxEntries      = 10_000
	maxCertificates = 100 // of one entry
	maxProblems     = 200
)

// Parse reads the LDIF of a directory, or of one provider's records (RFC 6109 4.5.6). Whatever is damaged is left out and
// reported in Problems: a certificate without its hash, a name that is no domain, a whole record. It is an error only if
// the file is over MaxSize or nothing usable is left.
func Parse(ldif []byte) (*Directory, error) {
	if len(ldif) > MaxSize {
		return nil, fmt.Errorf("the directory has %d octets, more than the %d allowed", len(ldif), MaxSize)
	}
	var found problems
	var entries []*Entry
	seen := map[string]bool{}
	for rec, fault := range records(ldif) {
		entry, err := parseRecord(rec, fault, &found)
		switch {
		case err != nil:
			found.add("record at line %d left out: %v", rec.line, err)
		case entry == nil: // the root
		case seen[entry.Key()]:
			found.add("record at line %d left out: %s is there already", rec.line, entry.DN())
		case len(entries) == maxEntries:
			return nil, fmt.Errorf("the directory has more than %d entries", maxEntries)
		default:
			seen[entry.Key()] = true
			entries = append(entries, entry)
		}
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("the directory has no usable entry: %s", strings.Join(found.all(), "; "))
	}
	return newDirectory(entries, &found), nil
}

// parseRecord makes an entry of a record; nil for the root. Small damage goes to found, an error means that the record cannot be used.
func parseRecord(rec record, fault error, found *problems) (*Entry, error) {
	if fault != nil {
		return nil, fault
	}
	dn, err := rec.one(attrDN)
	if err != nil {
		return nil, err
	}
	e := &Entry{}
	if e.Provider, e.Unit, err = parseDN(dn); err != nil || e.Provider == "" {
		return nil, err
	}
	if err := e.readNames(rec, found); err != nil {
		return nil, err
	}
	if e.ServiceMailbox, err = rec.one(attrMailbox); err != nil {
		return nil, err
	}
	if !isAddress(e.ServiceMailbox) {
		return nil, fmt.Errorf("%s: mailReceipt %.80q is not an address", e.DN(), e.ServiceMailbox)
	}
	e.readDescription(rec, found)
	e.readDomains(rec.values[attrDomain], found)
	return e, e.readCertificates(rec, found)
}

// readNames compares the name attributes with the DN, which is what identifies the record, and reads the URL.
func (e *Entry) readNames(rec record, found *problems) error {
	name, err := rec.one(attrName)
	if err != nil {
		return err
	}
	unit, err := rec.one(attrUnit)
	if err != nil {
		return err
	}
	if !sameName(name, e.Provider) || !sameName(unit, e.Unit) {
		found.add("%s: providerName is %.200q, providerUnit %.200q", e.DN(), name, unit)
	}
	if e.LDIFURL, err = rec.one(attrURL); err != nil {
		return err
	}
	if e.Unit != "" && e.LDIFURL != "" {
		found.add("%s: a unit has no LDIFLocationURL (RFC 6109 4.5.6), %.200q passed over", e.DN(), e.LDIFURL)
		e.LDIFURL = ""
	}
	return nil
}

// readDescription takes all values; only people read them.
func (e *Entry) readDescription(rec record, found *problems) {
	e.Description = strings.Join(rec.values[attrDescription], "\n")
	if !utf8.ValidString(e.Description) {
		found.add("%s: description is not UTF-8, passed over", e.DN())
		e.Description = ""
	}
}

func (e *Entry) readDomains(values []string, found *problems) {
	seen := make(map[string]bool, len(values))
	for _, value := range values {
		domain := lower(value)
		if !isDomain(domain) {
			found.add("%s: managedDomains %.80q is not a domain, left out", e.DN(), value)
		} else if !seen[domain] {
			seen[domain] = true
			e.Domains = append(e.Domains, domain)
		}
	}
	if len(e.Domains) == 0 {
		found.add("%s: manages no domain", e.DN())
	}
}

// readCertificates takes the certificates whose hash is published beside them (RFC 6109 4.5.1). SHA-256 is taken too: the rules still say SHA-1,
// but a change of theirs must not cut us off.
func (e *Entry) readCertificates(rec record, found *problems) error {
	ders, hashes := rec.values[attrCertificate], rec.values[attrHash]
	if len(ders) > maxCertificates || len(hashes) > maxCertificates {
		return fmt.Errorf("%s: more than %d certificates", e.DN(), maxCertificates)
	}
	unmatched := map[string]bool{}
	for _, hash := range hashes {
		unmatched[lower(strings.TrimSpace(hash))] = true
	}
	for _, der := range ders {
		published, hash := publishedHash(der, unmatched)
		cert, err := x509.ParseCertificate([]byte(der))
		if err == nil && !published {
			err = errors.New("no providerCertificateHash matches it")
		}
		if err != nil {
			found.add("%s: certificate with hash %s left out: %v", e.DN(), hash, err)
			continue
		}
		if !e.Holds(cert) {
			e.Certificates = append(e.Certificates, cert)
		}
		unmatched[hash] = false
	}
	for _, hash := range slices.Sorted(maps.Keys(unmatched)) {
		if unmatched[hash] {
			found.add("%s: no certificate for hash %.80q", e.DN(), hash)
		}
	}
	if len(e.Certificates) == 0 {
		return fmt.Errorf("%s: no usable certificate", e.DN())
	}
	return nil
}

// publishedHash looks for the certificate's hash among those published.
func publishedHash(der string, hashes map[string]bool) (published bool, hash string) {
	strong := sha256.Sum256([]byte(der))
	if _, ok := hashes[hex.EncodeToString(strong[:])]; ok {
		return true, hex.EncodeToString(strong[:])
	}
	hash = certificateHash([]byte(der))
	_, published = hashes[hash]
	return published, hash
}

// certificateHash is the value of providerCertificateHash (RFC 6109 4.5.1).
func certificateHash(der []byte) string {
	sum := sha1.Sum(der)
	return hex.EncodeToString(sum[:])
}

// readText accepts what may stand in a name, an address or a log line: UTF-8 without control characters.
func readText(s string) (string, error) {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", fmt.Errorf("%.80q is not printable UTF-8", s)
	}
	return s, nil
}

// isDomain accepts host names in lower case (RFC 6109 4.5.5, RFC 1034 3.5); so no wildcard is one (attacks.md 19).
func isDomain(s string) bool {
	labels := strings.Split(s, ".")
	return len(s) <= 253 && !slices.ContainsFunc(labels, func(label string) bool {
		return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
	})
}

// isAddress accepts the dot-atom form on both sides (RFC 6109 4.5.4), up to the 254 octets of RFC 5321.
func isAddress(s string) bool {
	local, domain, _ := strings.Cut(s, "@")
	return len(s) <= 254 && isDomain(lower(domain)) && !slices.ContainsFunc(strings.Split(local, "."), func(atom string) bool {
		return atom == "" || strings.ContainsFunc(atom, notAtext)
	})
}

// notAtext tells what RFC 5322 3.2.3 does not allow in an atom.
func notAtext(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// problems collects what was wrong, a bounded number of lines.
type problems struct {
	list []string
	more int
}

func (p *problems) add(format string, args ...any) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

func (p *problems) all() []string {
	if p.more == 0 {
		return p.list
	}
	return append(slices.Clip(p.list), fmt.Sprintf("and %d more", p.more))
}
