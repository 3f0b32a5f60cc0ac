package issuance

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/dialect"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// Unit is one operating environment of a provider, the main one or a secondary one (RFC 6109 4.5.7): what issues.
type Unit struct {
	Name    string      // gestore-emittente: the provider's name as in the directory
	Entry   string      // key of its entry in the directory
	Address pec.Address // signs as this address, the SAN of its certificates
	Service pec.Address // its service mailbox, mailReceipt in the directory
	Domains []string    // lower case
	Node    string      // of this process, a part of the ids that it makes
	Keys    []Key       // by the instant of their first use

	// Dialect makes the unit write and sign as another provider's engine does; nil is our own way. It is for sandboxes and
	// tests: an engine may sign with SHA-1.
	Dialect *dialect.Engine
	// Forge, of a sandbox only, makes the unit issue what no provider must.
	Forge func(*pec.Composition) Forgery
}

// Key is a signing key with its certificate.
type Key struct {
	Signer *smime.Signer
	From   time.Time // first use: the certificate has to be in the directory before (norms.md 118)

	// What a unit with a Dialect signs with, the same as the Signer's; nil without.
	Private crypto.Signer
	Chain   []*x509.Certificate
}

// Units are a provider's environments; each domain belongs to one.
type Units []*Unit

// NewUnits checks that no domain and no address belongs to two units.
func NewUnits(units ...*Unit) (Units, error) {
	seen := map[string]string{}
	for _, u := range units {
		if len(u.Keys) == 0 {
			return nil, fmt.Errorf("unit %s has no key", u.Address)
		}
		if err := u.checkDialect(); err != nil {
			return nil, err
		}
		if u.Address.Key() == u.Service.Key() {
			return nil, fmt.Errorf("unit %s: the service mailbox must be another address than the signing address", u.Address)
		}
		slices.SortFunc(u.Keys, func(a, b Key) int { return a.From.Compare(b.From) })
		for _, name := range append(slices.Clone(u.Domains), u.Address.Key(), u.Service.Key(), u.Entry) {
			if other, taken := seen[name]; taken {
				return nil, fmt.Errorf("%s belongs to unit %s and to unit %s", name, other, u.Address)
			}
			seen[name] = string(u.Address)
		}
	}
	return units, nil
}

// ByDomain finds the unit that a domain of ours belongs to.
func (us Units) ByDomain(domain string) (*Unit, bool) {
	i := slices.IndexFunc(us, func(u *Unit) bool { return slices.Contains(u.Domains, strings.ToLower(domain)) })
	return us.at(i)
}

// ByEntry finds the unit with an entry of the directory.
func (us Units) ByEntry(key string) (*Unit, bool) {
	return us.at(slices.IndexFunc(us, func(u *Unit) bool { return u.Entry == key }))
}

// ByAddress finds the unit that signs as an address.
func (us Units) ByAddress(a pec.Address) (*Unit, bool) {
	return us.at(slices.IndexFunc(us, func(u *Unit) bool { return u.Address.Key() == a.Key() }))
}

func (us Units) at(i int) (*Unit, bool) {
	if i < 0 {
		return nil, false
	}
	return us[i], true
}

// Reserved tells whether no holder may have the address: signing addresses, service mailboxes, postmaster and abuse.
func (us Units) Reserved(a pec.Address) bool {
	switch strings.ToLower(a.Local()) {
	case "postmaster", "abuse", "posta-certificata":
		return true
	}
	return slices.ContainsFunc(us, func(u *Unit) bool { return a.Key() == u.Address.Key() || a.Key() == u.Service.Key() })
}

var errNoKey = errors.New("no key is in use whose certificate is valid")

// key is the newest key whose first use has come and whose certificate is valid: with an expired one, every peer would put
// aside what we sign.
func (u *Unit) key(at time.Time) (Key, error) {
	for _, k := range slices.Backward(u.Keys) {
		if c := k.Signer.Certificate(); !at.Before(k.From) && !at.Before(c.NotBefore) && !at.After(c.NotAfter) {
			return k, nil
		}
	}
	return Key{}, fmt.Errorf("unit %s: %w", u.Address, errNoKey)
}

// Certificate is the SHA-256 of the certificate in use at an instant, the name that records give it.
func (u *Unit) Certificate(at time.Time) ([sha256.Size]byte, error) {
	k, err := u.key(at)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(k.Signer.Certificate().Raw), nil
}

// NewID draws an identificativo of this unit (RFC 6109 2.2.1): never the holder's domain, but in a dialect that does so.
func (u *Unit) NewID(at time.Time) pec.ID {
	if u.Dialect != nil {
		return u.foreignID(pec.Transport, at)
	}
	var random [10]byte
	rand.Read(random[:])
	return pec.NewID(at, u.Node, random, u.Address.Domain())
}
