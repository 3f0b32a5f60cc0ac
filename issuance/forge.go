package issuance

import "github.com/ceralacca/ceralacca/pec"

// Forgery is what a unit of a sandbox does wrong to one message, so that others can test how they bear it.
type Forgery struct {
	Key    *Key                // signs instead of the unit's own
	Octets func([]byte) []byte // alters the signed octets before and after the original's body, once they were checked
}

// forge asks what is done wrong to a composition, which it may change, and with which key it is signed.
func (u *Unit) forge(c *pec.Composition) (Forgery, Key, error) {
	var f Forgery
	if u.Forge != nil {
		f = u.Forge(c)
	}
	if f.Key != nil {
		return f, *f.Key, nil
	}
	k, err := u.key(c.Data.At)
	return f, k, err
}

// alter applies a forgery to the octets that will be signed.
func (f Forgery) alter(before, after []byte) (_, _ []byte) {
	if f.Octets == nil {
		return before, after
	}
	return f.Octets(before), f.Octets(after)
}
