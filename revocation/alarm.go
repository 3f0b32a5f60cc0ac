package revocation

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// lack is how far the evidence of an issuer is from what it should be.
type lack string

const (
	none    lack = ""
	overdue lack = "overdue" // it still counts, but could not be renewed in time
	missing lack = "missing" // what it says of a certificate is Unknown
)

// want is what an issuer lacks.
type want struct {
	lack lack
	why  string
}

// worst says for each issuer what is lacking of the certificate that lacks most.
func (k *Keeper) worst(links []link) map[string]want {
	worst := map[string]want{}
	for _, l := range links {
		name := l.issuer.Subject.String()
		one := k.lacking(l)
		if old, ok := worst[name]; !ok || one.lack == missing && old.lack != missing || old.lack == none {
			worst[name] = one
		}
	}
	return worst
}

func (k *Keeper) lacking(l link) want {
	now, evidence := k.c.Now(), k.Current()
	if s := evidence.Status(l.cert, l.issuer, now); s.State == Unknown {
		return want{missing, s.Why}
	}
	w := want{overdue, ""}
	findings, _ := evidence.consult(l.cert, l.issuer)
	for _, f := range findings { // the newest last
		if !k.isOverdue(f.piece, now) {
			return want{}
		}
		w.why = fmt.Sprintf("the %s was last had at %s", f.piece, instant(f.had))
	}
	return w
}

func (k *Keeper) isOverdue(p *piece, now time.Time) bool {
	return !p.nextUpdate.IsZero() && now.After(p.nextUpdate.Add(grace)) || now.After(p.had.Add(k.c.Every+time.Hour))
}

// report gives one alarm for each change: of what an issuer lacks, and of a certificate that is revoked.
func (k *Keeper) report(links []link, failed map[string]error) {
	now := k.worst(links)
	for name, w := range now {
		switch before := k.alarms[name]; {
		case w.lack == before:
		case w.lack == missing:
			k.c.Log.Error("revocation is not known", "issuer", name, "why", w.why, "err", failed[name])
		case w.lack == overdue:
			k.c.Log.Warn("evidence of revocation is overdue, what there is still counts", "issuer", name, "why", w.why, "err", failed[name])
		default:
			k.c.Log.Info("evidence of revocation is had again", "issuer", name)
		}
	}
	k.alarms = map[string]lack{}
	for name, w := range now {
		k.alarms[name] = w.lack
	}
	k.reportRevoked(links, k.c.Now())
}

func (k *Keeper) reportRevoked(links []link, now time.Time) {
	told := map[string]bool{}
	for _, l := range links {
		s := k.Current().Status(l.cert, l.issuer, now)
		if s.State != Revoked {
			continue
		}
		id := fmt.Sprintf("%x", sha256.Sum256(l.cert.Raw))
		if told[id] = true; !k.told[id] {
			k.c.Log.Warn("a certificate is revoked", "subject", l.cert.Subject, "serial", fmt.Sprintf("%x", l.cert.SerialNumber),
				"since", s.At, "reason", s.Reason, "source", s.Source)
		}
	}
	k.told = told
}
