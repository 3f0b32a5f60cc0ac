package verify

import (
	"errors"
	"fmt"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
)

// CheckKept makes the checks that a message out of a mailbox needs beyond those between providers: whether the signer was in
// charge of the one that it speaks for, and whether the header, which people see and nobody signed, is that of what is signed.
// A message that failed before is left as it is.
func (r *Result) CheckKept() {
	if r.Fault != nil && r.Fault.Reason == Encoded {
		r.Fault, r.encoded = nil, true
	}
	if r.Fault == nil && !r.inside {
		r.Fault = r.checkRepeated()
	}
	if r.Fault != nil || !r.Message.HasData {
		return
	}
	if r.Fault = r.checkCharge(); r.Fault == nil && !r.inside {
		r.Fault = r.checkHeader()
	}
	r.checkTimes()
}

// Managed tells whether the signer manages a domain in the directory that was looked at, and who does otherwise: the entry of
// the domain whose certificate signed, which tells units with one certificate apart (norms.md 53, RFC 6109 7).
func (r *Result) Managed(domain string) (*directory.Entry, bool) {
	entry, ok := r.Directory.Domain(domain)
	return entry, ok && entry.Holds(r.Signature.Certificate)
}

// checkCharge refuses what another provider signed than the one that the message is a matter of (attacks.md 15). A directory of
// another day may name another provider by right, for domains move: then it is a doubt.
func (r *Result) checkCharge() *Fault {
	if r.Directory == nil {
		return nil
	}
	for _, one := range r.charge() {
		if r.anyManaged(one) {
			continue
		}
		what := fmt.Sprintf("the domain %s is not one of %s in the directory", one[0].Domain(), r.signerName())
		if r.Then {
			return &Fault{Form, OtherDomain, errors.New(what)}
		}
		r.doubt(Origin, AnotherDay, what+" of another day")
	}
	return nil
}

func (r *Result) anyManaged(addresses []pec.Address) bool {
	for _, a := range addresses {
		if _, ok := r.Managed(a.Domain()); ok {
			return true
		}
	}
	return false
}

func (r *Result) signerName() string {
	if r.Entry != nil {
		return r.Entry.Provider
	}
	return r.Signature.Certificate.Subject.String()
}

// charge is for whom the signer must be the provider: of each group, for one at least (RFC 6109 3.1 to 3.3). What is not
// delivered is told by either side (norms.md 1.1).
func (r *Result) charge() (groups [][]pec.Address) {
	d := r.Message.Data
	switch d.Kind {
	case pec.TakenInCharge:
		for _, a := range d.TakenFor {
			groups = append(groups, []pec.Address{a})
		}
		return groups
	case pec.Delivered, pec.VirusDetected:
		return [][]pec.Address{{d.DeliveredTo}}
	case pec.NonDelivery:
		return [][]pec.Address{{d.DeliveredTo, d.Sender}}
	}
	return [][]pec.Address{{d.Sender}}
}
