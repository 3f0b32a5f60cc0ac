package directory

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Marshal writes the LDIF of the whole directory: the root with its url first, then the entries in their order
// (RFC 6109 4.5.10). With an empty url the root is left out, as in the file that a provider publishes of its own records
// (norms.md 127). Parse reads the same entries back, so an entry that Parse would leave out or change is an error.
func Marshal(entries []*Entry, url string) ([]byte, error) {
	w := &ldifWriter{}
	if url != "" {
		w.root(url)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		err := e.check()
		if err == nil && seen[e.Key()] {
			err = errors.New("it is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("write directory entry %s: %w", e.DN(), err)
		}
		seen[e.Key()] = true
		w.entry(e)
	}
	if w.Len() > MaxSize {
		return nil, fmt.Errorf("the directory would have %d octets, more than the %d allowed", w.Len(), MaxSize)
	}
	return w.Bytes(), nil
}

// check finds what the schema forbids (RFC 6109 4.5.9) or reading would change.
func (e *Entry) check() error {
	for _, text := range []string{e.Provider, e.Unit, e.LDIFURL} {
		if read, err := readText(text); err != nil {
			return err
		} else if read != text {
			return fmt.Errorf("%.80q begins or ends with a space", text)
		}
	}
	switch {
	case e.Provider == "":
		return errors.New("no providerName")
	case !isAddress(e.ServiceMailbox):
		return fmt.Errorf("mailReceipt %.80q is not an address", e.ServiceMailbox)
	case len(e.Certificates) == 0 || len(e.Certificates) > maxCertificates:
		return fmt.Errorf("%d certificates, between 1 and %d are allowed", len(e.Certificates), maxCertificates)
	case len(e.Domains) == 0:
		return errors.New("no managedDomains")
	case e.Unit != "" && e.LDIFURL != "":
		return errors.New("a unit has no LDIFLocationURL (RFC 6109 4.5.6)")
	case !utf8.ValidString(e.Description):
		return errors.New("description is not UTF-8")
	}
	seen := map[string]bool{}
	for _, domain := range e.Domains {
		if !isDomain(domain) || seen[domain] {
			return fmt.Errorf("managedDomains %.80q is there twice or not a domain in lower case", domain)
		}
		seen[domain] = true
	}
	return nil
}

type ldifWriter struct{ bytes.Buffer }

func (w *ldifWriter) root(url string) {
	w.attr("dn", rootDN)
	w.attr("objectClass", "top")
	w.attr("objectClass", "organization")
	w.attr("objectClass", "LDIFLocationURLObject")
	w.attr("o", "postacert")
	w.attr("LDIFLocationURL", url)
	w.attr("description", "Base root for the PEC providers directory")
	w.WriteByte('\n')
}

func (w *ldifWriter) entry(e *Entry) {
	w.attr("dn", e.DN())
	w.attr("objectClass", "top")
	w.attr("objectClass", "provider")
	w.attr("providerName", e.Provider)
	w.optional("providerUnit", e.Unit)
	for _, cert := range e.Certificates {
		w.attr("providerCertificateHash", strings.ToUpper(certificateHash(cert.Raw)))
	}
	for _, cert := range e.Certificates {
		w.base64("providerCertificate;binary", cert.Raw)
	}
	w.attr("mailReceipt", e.ServiceMailbox)
	w.optional("LDIFLocationURL", e.LDIFURL)
	for _, domain := range e.Domains {
		w.attr("managedDomains", domain)
	}
	w.optional("description", e.Description)
	w.WriteByte('\n')
}

func (w *ldifWriter) optional(name, value string) {
	if value != "" {
		w.attr(name, value)
	}
}

// attr writes a value as it is when it is a SAFE-STRING that does not end in a space, else in base64 (RFC 2849 notes 4 and 8).
func (w *ldifWriter) attr(name, value string) {
	unsafe := strings.ContainsFunc(value, func(r rune) bool {
		return r == 0 || r == '\n' || r == '\r' || r >= utf8.RuneSelf
	})
	if unsafe || strings.HasPrefix(value, ":") || strings.HasPrefix(value, "<") || value != strings.Trim(value, " ") {
		w.base64(name, []byte(value))
		return
	}
	w.fold(name + ": " + value)
}

func (w *ldifWriter) base64(name string, value []byte) {
	w.fold(name + ":: " + base64.StdEncoding.EncodeToString(value))
}

// fold writes a line of ASCII in pieces of at most 76 columns (RFC 2849 note 2).
func (w *ldifWriter) fold(line string) {
	for width := 76; len(line) > width; width = 75 {
		w.WriteString(line[:width])
		w.WriteString("\n ")
		line = line[width:]
	}
	w.WriteString(line)
	w.WriteByte('\n')
}
