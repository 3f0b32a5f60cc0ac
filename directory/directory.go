package directory

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// Directory is an immutable snapshot, safe for concurrent use. A message takes one and uses it to its end (norms.md 123).
// The zero value is empty.
type Directory struct {
	entries   []*Entry
	domains   map[string]*Entry // by name in lower case; nil when several claim it
	signers   map[string]*Entry // by the certificate's DER, so a hit is a full comparison; nil when several providers claim it
	addresses map[string]bool   // signing addresses in lower case
	problems  []string
	signedAt  time.Time
}

func newDirectory(entries []*Entry, found *problems) *Directory {
	d := &Directory{
		entries:   entries,
		domains:   map[string]*Entry{},
		signers:   map[string]*Entry{},
		addresses: map[string]bool{},
	}
	for _, e := range entries {
		d.addDomains(e, found)
		d.addSigners(e, found)
	}
	d.problems = found.all()
	return d
}

// addDomains gives a domain to the entry that claims it, and to nobody when a second one does: which of them is right is not
// for us to guess (norms.md 126, attacks.md 17).
func (d *Directory) addDomains(e *Entry, found *problems) {
	for _, domain := range e.Domains {
		owner, claimed := d.domains[domain]
		if !claimed {
			d.domains[domain] = e
			continue
		}
		d.domains[domain] = nil
		if owner != nil {
			found.add("domain %s is ambiguous: claimed by %s and %s", domain, owner.DN(), e.DN())
		} else {
			found.add("domain %s is ambiguous: claimed by %s too", domain, e.DN())
		}
	}
}

// addSigners does the same for certificates, except that environments of one provider may share one (RFC 6109 4.5.10): the first
// in the file, or the main environment, answers for it.
func (d *Directory) addSigners(e *Entry, found *problems) {
	for _, cert := range e.Certificates {
		der := string(cert.Raw)
		owner, claimed := d.signers[der]
		switch {
		case !claimed, owner != nil && owner.sameProvider(e) && e.Unit == "":
			d.signers[der] = e
		case owner == nil || !owner.sameProvider(e):
			d.signers[der] = nil
			found.add("certificate %s is ambiguous: claimed by %s too", certificateHash(cert.Raw), e.DN())
		}
	}
	for _, address := range e.Addresses() {
		d.addresses[address] = true
	}
}

// Domain is the entry that manages the domain, compared without case (norms.md 20, 125). None manages an ambiguous one.
func (d *Directory) Domain(name string) (*Entry, bool) {
	e := d.domains[lower(name)]
	return e, e != nil
}

// Ambiguous tells whether several entries claim the domain, so that Domain names none. It is a domain of certified mail all the same.
func (d *Directory) Ambiguous(name string) bool {
	e, claimed := d.domains[lower(name)]
	return claimed && e == nil
}

// Signer is the entry whose certificate this is, compared as a whole (norms.md 48); for one that units of a provider share,
// its main environment if it is among them. None has a certificate that different providers claim.
func (d *Directory) Signer(cert *x509.Certificate) (*Entry, bool) {
	e := d.signers[string(cert.Raw)]
	return e, e != nil
}

// Address tells whether a reverse path belongs to certified mail: an address in a managed domain, an ambiguous one included,
// or a provider's signing address (design.md 3, RCPT on port 25). It has no angle brackets; the null path is not one.
func (d *Directory) Address(addr string) bool {
	addr = lower(addr)
	at := strings.LastIndexByte(addr, '@')
	if at <= 0 {
		return false
	}
	_, managed := d.domains[addr[at+1:]]
	return managed || d.addresses[addr]
}

// Entries are all records in the order of the file. They are shared: read only.
func (d *Directory) Entries() []*Entry { return slices.Clone(d.entries) }

// Problems are what was wrong with the file, one sentence each, for the operators; at most some hundreds.
func (d *Directory) Problems() []string { return slices.Clone(d.problems) }

// SignedAt is the signing time of the file; zero for one that was not signed (Parse) and for the empty directory.
func (d *Directory) SignedAt() time.Time { return d.signedAt }
