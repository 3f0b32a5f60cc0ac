package directory

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Names of the attributes that are read, in lower case (RFC 6109 4.5). All others are passed over.
const (
	attrDN          = "dn"
	attrHash        = "providercertificatehash"
	attrCertificate = "providercertificate"
	attrName        = "providername"
	attrUnit        = "providerunit"
	attrMailbox     = "mailreceipt"
	attrDomain      = "manageddomains"
	attrURL         = "ldiflocationurl"
	attrDescription = "description"
)

// record is one entry of an LDIF file: values by lower-case attribute name, the dn among them.
type record struct {
	line   int // where it begins, from 1
	values map[string][]string
}

// records reads an LDIF of contents (RFC 2849) record by record. A damaged one comes with the error that says why and does
// not disturb its neighbours. It is our own reader because go-ldap/ldif opens file URLs, gives up the whole file at the first
// fault, joins folded lines in quadratic time and carries a changetype over into the next record.
func records(data []byte) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		current, fault := record{}, error(nil)
		for number, line := range lines(data) {
			if len(line) == 0 {
				if current.values != nil && !yield(current, fault) {
					return
				}
				current, fault = record{}, nil
				continue
			}
			if line[0] == '#' || current.values == nil && isVersion(line) {
				continue
			}
			if current.values == nil {
				current = record{line: number, values: map[string][]string{}}
			}
			if err := current.add(line); err != nil && fault == nil {
				fault = fmt.Errorf("line %d: %w", number, err)
			}
		}
		if current.values != nil {
			yield(current, fault)
		}
	}
}

// lines yields the logical lines with the number of their first physical one: folded lines are joined (RFC 2849 note 2).
// An empty line ends a record. The slice is good until the next step.
func lines(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		var line, raw []byte
		start := 0
		for number := 1; len(data) > 0; number++ {
			raw, data, _ = bytes.Cut(data, []byte("\n"))
			raw = bytes.TrimSuffix(raw, []byte("\r"))
			if len(line) > 0 && len(raw) > 0 && raw[0] == ' ' {
				line = append(line, raw[1:]...)
				continue
			}
			if start > 0 && !yield(start, line) {
				return
			}
			line, start = append(line[:0], raw...), number
		}
		if start > 0 {
			yield(start, line)
		}
	}
}

// isVersion recognises the version-spec, the only line that belongs to no record.
func isVersion(line []byte) bool {
	name, value, _ := strings.Cut(string(line), ":")
	return strings.EqualFold(name, "version") && strings.TrimSpace(value) == "1"
}

// add reads one attrval-spec into the record.
func (r *record) add(line []byte) error {
	name, spec, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("no colon in %.80q", line)
	}
	attr := strings.TrimSuffix(strings.ToLower(string(name)), ";binary")
	switch attr {
	case "changetype", "control":
		return errors.New("a change record, not an entry")
	case attrDN, attrHash, attrCertificate, attrName, attrUnit, attrMailbox, attrDomain, attrURL, attrDescription:
		value, err := readValue(spec)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.values[attr] = append(r.values[attr], value)
	}
	return nil
}

// readValue reads what follows the first colon: text, base64 after a second colon, or a URL after "<", which is refused: it would
// make the directory name what is read from our disk or network (attacks.md 19).
func readValue(spec []byte) (string, error) {
	if len(spec) > 0 && spec[0] == '<' {
		return "", errors.New("a value by URL is never fetched")
	}
	if len(spec) == 0 || spec[0] != ':' {
		return strings.TrimLeft(string(spec), " "), nil
	}
	value, err := base64.StdEncoding.DecodeString(strings.Trim(string(spec[1:]), " "))
	return string(value), err
}

// one is the value of an attribute that has at most one; empty when there is none.
func (r *record) one(attr string) (string, error) {
	values := r.values[attr]
	if len(values) > 1 {
		return "", fmt.Errorf("%d values of %s, at most one is allowed", len(values), attr)
	}
	if len(values) == 0 {
		return "", nil
	}
	return readText(values[0])
}
