package directory

import (
	"crypto/x509"
	"slices"
	"strings"
)

// Entry is one record of the directory: a provider's main environment or one of its secondary environments
// (RFC 6109 4.5.7). Entries of a Directory are shared and must not be changed.
type Entry struct {
	// Provider is providerName, as it stands in the DN.
	Provider string
	// Unit is providerUnit; empty for the main environment.
	Unit string
	// Certificates sign its envelopes and receipts; several while one replaces another (norms.md 118).
	Certificates []*x509.Certificate
	// ServiceMailbox is mailReceipt: where takings-in-charge and virus detections go (norms.md 128).
	ServiceMailbox string
	// Domains are managedDomains, in lower case, each once.
	Domains []string
	// LDIFURL is where the provider publishes its own record; never set on a unit (RFC 6109 4.5.6), never fetched here.
	LDIFURL string
	// Description is free text for people.
	Description string
}

// DN is the distinguished name of the record (RFC 6109 4.5, 4.5.7), escaped as RFC 4514 asks.
func (e *Entry) DN() string {
	dn := "providerName=" + escapeDN(e.Provider) + "," + rootDN
	if e.Unit != "" {
		return "providerUnit=" + escapeDN(e.Unit) + "," + dn
	}
	return dn
}

// Key is the stable identity of the record in a database: its DN with case and runs of spaces levelled, as
// caseIgnoreMatch does (RFC 6109 4.5.3).
func (e *Entry) Key() string {
	return strings.ToLower(strings.Join(strings.Fields(e.DN()), " "))
}

// Holds tells whether cert, compared as a whole, is one of the entry's. With Directory.Domain it answers RFC 6109 7: is this
// domain managed by whom that certificate belongs to? It does so also when units of one provider share a certificate.
func (e *Entry) Holds(cert *x509.Certificate) bool {
	return slices.ContainsFunc(e.Certificates, cert.Equal)
}

// Addresses are the signing addresses of the entry: the rfc822Names of its certificates, in lower case (RFC 6109 5.5.1).
func (e *Entry) Addresses() []string {
	var addresses []string
	for _, cert := range e.Certificates {
		for _, address := range cert.EmailAddresses {
			addresses = append(addresses, lower(address))
		}
	}
	return addresses
}

// sameProvider tells whether two entries are environments of one provider.
func (e *Entry) sameProvider(other *Entry) bool {
	return sameName(e.Provider, other.Provider)
}

// sameName compares names as caseIgnoreMatch does.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}

// lower is lower case for domains and addresses. ASCII only: strings.ToLower would make the Kelvin sign a "k" and thereby
// another name equal to a certified one.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
