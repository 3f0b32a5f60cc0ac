package store

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// fact is one kind of fact. prepare brings about what it rests on and returns what commits it, each time with new ids and
// octets but about the same thing, so that only a guard can tell the second from the first.
type fact struct {
	name    string
	prepare func(w *world) func(Instant) error
	rows    map[string]int // what it adds and removes
	plain   bool           // it leaves no record and has no instant
	again   error          // what the second one gets; nil if it may be repeated
}

func (f fact) holds(w *world) {
	commit := f.prepare(w)
	if !f.plain {
		w.refused(ErrStale, func() error { return commit(w.late()) })
	}
	before := w.counts()
	at := w.instant()
	w.must(commit(at))
	added := map[string]int{}
	for table, n := range w.counts() {
		if n != before[table] {
			added[table] = n - before[table]
		}
	}
	if !f.plain {
		f.rows["fact"], f.rows["event"] = 1, 1
		w.newestRecord(at)
	}
	if !maps.Equal(added, f.rows) {
		w.Errorf("rows added: %v, want %v", added, f.rows)
	}
	if f.again != nil {
		w.refused(f.again, func() error { return commit(w.instant()) })
	}
}

// newestRecord sees that the last record is what was committed, octet for octet.
func (w *world) newestRecord(at Instant) {
	w.Helper()
	var id ID
	var salt, octets []byte
	var us int64
	w.must(w.read.QueryRowContext(w.ctx(), `SELECT id, at, salt, record FROM fact ORDER BY no DESC LIMIT 1`).Scan(&id, &us, &salt, &octets))
	r, err := pec.ParseRecord(octets)
	w.must(err)
	if ID(r.Fact) != id || !r.At.Equal(at.At) || us != at.At.UnixMicro() || len(salt) != 16 || bytes.Equal(salt, make([]byte, 16)) {
		w.Errorf("fact %s at %d: record of %x at %v, want %v", id, us, r.Fact, r.At, at.At)
	}
	if !bytes.Equal(r.Marshal(), octets) || len(r.Events) != 1 {
		w.Errorf("the record is not what was written: %q", octets)
	}
}

func facts() []fact {
	conflict := ErrConflict
	return []fact{
		{"accept", prepareAccept, map[string]int{"content": 3, "message": 2, "reference": 1, "envelope": 1, "submission": 1, "issued": 1, "tracking": 2, "task": 3, "relay": 2, "entry": 1}, false, conflict},
		{"not accept", prepareNotAccept, map[string]int{"content": 1, "message": 1, "submission": 1, "issued": 1, "entry": 1}, false, conflict},
		{"repeated", prepareRepeated, map[string]int{}, false, nil},
		{"take charge from outside", prepareCharge, map[string]int{"content": 3, "message": 2, "reference": 1, "envelope": 1, "arrival": 2, "issued": 2, "task": 3, "relay": 1}, false, conflict},
		{"take charge of a known envelope", prepareChargeKnown, map[string]int{"content": 1, "message": 1, "arrival": 1, "issued": 1, "task": 2, "relay": 1}, false, conflict},
		{"take charge of other octets under a known id", prepareChargeOther, map[string]int{"content": 3, "message": 2, "reference": 1, "envelope": 1, "arrival": 1, "issued": 1, "task": 2, "relay": 1}, false, conflict},
		{"take charge for two units", prepareChargeUnits, map[string]int{"content": 4, "message": 3, "reference": 1, "envelope": 1, "arrival": 2, "issued": 2, "task": 4, "relay": 2}, false, conflict},
		{"take charge from ourselves", prepareChargeOwn, map[string]int{"arrival": 1}, false, conflict},
		{"arrived again", prepareArrivedAgain, map[string]int{}, false, nil},
		{"arrived again from ourselves", prepareArrivedAgainOwn, map[string]int{"task": -1}, false, conflict},
		{"hear of taking in charge", prepareHear(pec.TakenInCharge), map[string]int{"content": 2, "message": 1, "reference": 1, "heard": 1, "task": 1}, false, conflict},
		{"hear of delivery", prepareHear(pec.Delivered), map[string]int{"content": 2, "message": 1, "reference": 1, "heard": 1, "task": 1}, false, conflict},
		{"hear of delivery, into the mailbox", prepareHearInbox, map[string]int{"content": 2, "message": 1, "reference": 1, "heard": 1, "entry": 1}, false, conflict},
		{"hear of non-delivery", prepareHear(pec.NonDelivery), map[string]int{"content": 2, "message": 1, "reference": 1, "heard": 1, "task": 1}, false, conflict},
		{"hear of a virus", prepareHear(pec.VirusDetected), map[string]int{"content": 2, "message": 1, "reference": 1, "heard": 1, "task": 1}, false, conflict},
		{"hear of an overdue notice", prepareHear(pec.Overdue), map[string]int{"content": 2, "message": 1, "reference": 1, "heard": 1, "task": 1}, false, conflict},
		{"hear of delivery from ourselves", prepareHearOwn, map[string]int{"heard": 1, "entry": 1, "task": -1}, false, conflict},
		{"deposit", prepareDeposit, map[string]int{"entry": 1, "task": -1}, false, conflict},
		{"deposit with receipt", prepareDelivery, map[string]int{"entry": 1, "content": 1, "message": 1, "deposit": 1, "issued": 1, "relay": 1}, false, conflict},
		{"refuse what arrived", prepareRefuse, map[string]int{"content": 1, "message": 1, "issued": 1, "relay": 1}, false, conflict},
		{"refuse what we sent", prepareRefuseOwn, map[string]int{"content": 1, "message": 1, "issued": 1}, false, conflict},
		{"relayed", prepareRelayed(RelayDone), map[string]int{"task": -1}, false, conflict},
		{"relayed, refused for good", prepareRelayed(RelayFailed), map[string]int{}, false, conflict},
		{"relayed, to be tried again", prepareRelayed(RelayPending), map[string]int{}, false, nil},
		{"hold", prepareHold, map[string]int{"content": 2, "message": 1, "reference": 1, "held": 1}, false, nil},
		{"hold what is stored", prepareHoldStored, map[string]int{"held": 1}, false, nil},
		{"hold what we sent", prepareHoldOwn, map[string]int{"held": 1, "task": -1}, false, conflict},
		{"first notice", prepareNotice(false), map[string]int{"content": 1, "message": 1, "issued": 1, "entry": 1}, false, conflict},
		{"final notice", prepareNotice(true), map[string]int{"content": 1, "message": 1, "issued": 1, "entry": 1}, false, conflict},
		{"wrap", prepareWrap, map[string]int{"content": 2, "message": 1, "reference": 1, "anomaly": 2, "entry": 1, "held": 1}, false, conflict},
		{"report", prepareReport, map[string]int{"content": 1, "message": 1}, false, conflict},
		{"undeliverable", prepareUndeliverable, map[string]int{"held": 1, "task": -1}, false, conflict},
		{"done", prepareDone, map[string]int{"task": -1}, true, conflict},
		{"postpone", preparePostpone, map[string]int{}, true, nil},
	}
}

func prepareAccept(w *world) func(Instant) error {
	client := newPEC().Bracketed()
	return func(at Instant) error { return w.Accept(w.ctx(), w.acceptance(at, client, []byte("Buongiorno.\r\n"))) }
}

func prepareNotAccept(w *world) func(Instant) error {
	key := SubmissionKey{Mailbox: w.mario.ID, SHA256: sha256.Sum256([]byte(newPEC()))}
	return func(at Instant) error {
		id := newPEC()
		return w.NotAccept(w.ctx(), NonAcceptance{
			Instant: at, Record: record(at, pec.EventNotAccepted, id, ""), Key: key, Provider: alfa, PEC: id,
			Notice: w.receipt(pec.NonAcceptance, id), Inbox: InboxEntry{Mailbox: w.mario.ID, Folder: w.inbox(w.mario)},
		})
	}
}

func prepareRepeated(w *world) func(Instant) error {
	return func(at Instant) error { return w.Note(w.ctx(), at, record(at, pec.EventRepeated, "a@alfa.test")) }
}

// charge is that of an envelope of another provider for two recipients of ours.
func (w *world) charge(at Instant, id pec.ID, digest string, rs ...pec.Address) Charge {
	w.Helper()
	header, whole := original("<from-beta@host>", []byte("Buonasera.\r\n"))
	c := w.content(whole)
	transport := w.message(string(pec.Transport), id, Recipe{{Span: Span{Content: c.ID, Length: c.Size}}})
	transport.Signed = []byte(digest)
	receipt := w.receipt(pec.TakenInCharge, id)
	relay := NewRelay{Message: receipt.ID, Target: beta, Sender: signer, Recipients: []pec.Address{"servizio@beta.test"}}
	return Charge{
		Instant: at, Record: record(at, pec.EventTakenInCharge, id, rs...), Digest: []byte(digest), Recipients: rs, Content: c, Transport: &transport,
		Envelope: Envelope{
			Provider: beta, PEC: id, Message: transport.ID, CertData: []byte("<postacert/>"), Header: header,
			Body: Span{c.ID, int64(len(header)), c.Size - int64(len(header))}, EightBit: true, Sender: comune,
		},
		Receipts: []TakenReceipt{{receipt, rs, relay}},
	}
}

func prepareCharge(w *world) func(Instant) error {
	id := newPEC()
	return func(at Instant) error { return w.TakeCharge(w.ctx(), w.charge(at, id, "digest", mario, luigi)) }
}

func prepareChargeKnown(w *world) func(Instant) error {
	id := newPEC()
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), id, "digest", mario)))
	e, err := w.Envelope(w.ctx(), beta, id)
	w.must(err)
	return func(at Instant) error {
		c := w.charge(at, id, "digest", luigi)
		c.Envelope, c.Content, c.Transport = e, nil, nil
		return w.TakeCharge(w.ctx(), c)
	}
}

func prepareChargeOther(w *world) func(Instant) error {
	id := newPEC()
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), id, "digest", mario)))
	return func(at Instant) error { return w.TakeCharge(w.ctx(), w.charge(at, id, "other octets", luigi)) }
}

func prepareChargeUnits(w *world) func(Instant) error {
	id := newPEC()
	return func(at Instant) error {
		c, other := w.charge(at, id, "digest", mario, luigi), w.receipt(pec.TakenInCharge, id)
		relay := NewRelay{Message: other.ID, Target: beta, Sender: "unit@altra.test", Recipients: []pec.Address{"servizio@beta.test"}}
		c.Receipts[0].Recipients = []pec.Address{mario}
		c.Receipts = append(c.Receipts, TakenReceipt{other, []pec.Address{luigi}, relay})
		return w.TakeCharge(w.ctx(), c)
	}
}

func prepareChargeOwn(w *world) func(Instant) error {
	a := w.accepted()
	t := w.task(TaskReceive, a.Envelope.PEC)
	return func(at Instant) error {
		return w.TakeCharge(w.ctx(), Charge{
			Instant: at, Record: record(at, pec.EventTakenInCharge, a.Envelope.PEC, luigi), Envelope: a.Envelope,
			Digest: []byte("digest"), Recipients: []pec.Address{luigi}, Task: &t,
		})
	}
}

func prepareArrivedAgain(w *world) func(Instant) error {
	return func(at Instant) error {
		return w.ArrivedAgain(w.ctx(), at, record(at, pec.EventArrivedAgain, "b@beta.test"), nil)
	}
}

func prepareArrivedAgainOwn(w *world) func(Instant) error {
	a := w.accepted()
	t := w.task(TaskReceive, a.Envelope.PEC)
	return func(at Instant) error {
		return w.ArrivedAgain(w.ctx(), at, record(at, pec.EventArrivedAgain, a.Envelope.PEC), &t)
	}
}

// heard is a receipt of another provider about the municipality.
func (w *world) heard(at Instant, kind pec.Kind, id pec.ID, digest string) Heard {
	w.Helper()
	c := w.content([]byte("receipt " + string(kind)))
	m := w.message(string(kind), id, Recipe{{Span: Span{Content: c.ID, Length: c.Size}}})
	return Heard{
		Instant: at, Record: record(at, pec.EventHeard, id, comune), Issuer: beta, Provider: alfa, PEC: id, Kind: kind,
		Recipients: []pec.Address{comune}, Digest: []byte(digest), Sender: "posta-certificata@beta.test", To: mario, Content: c, Message: &m,
	}
}

func prepareHear(kind pec.Kind) func(*world) func(Instant) error {
	return func(w *world) func(Instant) error {
		id := w.accepted().Envelope.PEC
		return func(at Instant) error { return w.Hear(w.ctx(), w.heard(at, kind, id, "digest")) }
	}
}

func prepareHearInbox(w *world) func(Instant) error {
	id := w.accepted().Envelope.PEC
	return func(at Instant) error {
		h := w.heard(at, pec.Delivered, id, "digest")
		h.Inbox = &InboxEntry{Mailbox: w.mario.ID, Folder: w.inbox(w.mario)}
		return w.Hear(w.ctx(), h)
	}
}

// delivered is an envelope from mario to luigi, both ours, that lies in luigi's mailbox; the receipt waits to be heard.
func (w *world) delivered() (Acceptance, Task) {
	w.Helper()
	a := w.accepted()
	id := a.Envelope.PEC
	own := w.task(TaskReceive, id)
	at := w.instant()
	w.must(w.TakeCharge(w.ctx(), Charge{
		Instant: at, Record: record(at, pec.EventTakenInCharge, id, luigi), Envelope: a.Envelope, Digest: []byte("digest"), Recipients: []pec.Address{luigi}, Task: &own,
	}))
	at = w.instant()
	w.must(w.Deposit(w.ctx(), w.deposit(at, w.task(TaskDeliver, id), w.luigi)))
	return a, w.task(TaskReceive, id)
}

func prepareHearOwn(w *world) func(Instant) error {
	a, t := w.delivered()
	return func(at Instant) error {
		return w.Hear(w.ctx(), Heard{
			Instant: at, Record: record(at, pec.EventHeard, a.Envelope.PEC, luigi), Issuer: alfa, Provider: alfa, PEC: a.Envelope.PEC, Kind: pec.Delivered,
			Recipients: []pec.Address{luigi}, Digest: []byte("digest"), Sender: signer, To: mario, Known: t.Message, Task: &t,
			Inbox: &InboxEntry{Mailbox: w.mario.ID, Folder: w.inbox(w.mario)},
		})
	}
}

// deposit is that of an envelope with its delivery receipt, which goes to ourselves.
func (w *world) deposit(at Instant, t Task, to Mailbox) Deposit {
	w.Helper()
	receipt := w.receipt(pec.Delivered, t.PEC)
	return Deposit{
		Instant: at, Record: record(at, pec.EventDelivered, t.PEC, to.Address), Task: t,
		Inbox: InboxEntry{Mailbox: to.ID, Folder: w.inbox(to), Lead: []byte("Delivered-To: " + string(to.Address) + "\r\n")}, Size: 100, Receipt: &receipt,
		Relay: NewRelay{Message: receipt.ID, Target: alfa, Local: true, Sender: signer, Recipients: []pec.Address{mario}},
	}
}

func prepareDeposit(w *world) func(Instant) error {
	t := w.owed(mario)
	return func(at Instant) error {
		return w.Deposit(w.ctx(), Deposit{
			Instant: at, Record: record(at, pec.EventDeposited, t.PEC, mario), Task: t, Inbox: InboxEntry{Mailbox: w.mario.ID, Folder: w.inbox(w.mario)}, Size: 100,
		})
	}
}

func prepareDelivery(w *world) func(Instant) error {
	id := newPEC()
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), id, "digest", luigi)))
	t := w.task(TaskDeliver, id)
	return func(at Instant) error { return w.Deposit(w.ctx(), w.deposit(at, t, w.luigi)) }
}

func prepareRefuse(w *world) func(Instant) error {
	id := newPEC()
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), id, "digest", luigi)))
	t := w.task(TaskDeliver, id)
	return func(at Instant) error {
		receipt := w.receipt(pec.NonDelivery, t.PEC)
		return w.Refuse(w.ctx(), Refusal{
			Instant: at, Record: record(at, pec.EventNonDelivery, t.PEC, luigi), Task: t, Receipt: receipt,
			Relay: NewRelay{Message: receipt.ID, Target: beta, Sender: signer, Recipients: []pec.Address{comune}},
		})
	}
}

// followUp is the task that follows from a relay that the municipality's provider refused for good.
func (w *world) followUp() (Acceptance, Task) {
	w.Helper()
	a := w.accepted()
	w.must(w.Relayed(w.ctx(), w.relayed(w.instant(), w.task(TaskRelay, a.Envelope.PEC), RelayFailed)))
	return a, w.task(TaskFollowUp, a.Envelope.PEC)
}

func prepareRefuseOwn(w *world) func(Instant) error {
	_, t := w.followUp()
	return func(at Instant) error {
		return w.Refuse(w.ctx(), Refusal{
			Instant: at, Record: record(at, pec.EventNonDelivery, t.PEC, comune), Task: t, Receipt: w.receipt(pec.NonDelivery, t.PEC),
			Own: true, Signing: signer, Sender: mario,
		})
	}
}

// anomaly encloses for mario what has a digest, and holds it for somebody else.
func (w *world) anomaly(at Instant, digest [sha256.Size]byte) Anomaly {
	w.Helper()
	c := w.content([]byte("strange"))
	return Anomaly{
		Instant: at, Record: record(at, pec.EventAnomaly, "", mario), Content: c, SHA256: digest, Ordinary: true,
		Envelopes: []AnomalyEnvelope{{
			Message: w.message(string(pec.Anomaly), "", Enclosing([]byte("before"), Span{Content: c.ID, Length: c.Size}, []byte("after"))),
			Inboxes: map[pec.Address]InboxEntry{mario: {Mailbox: w.mario.ID, Folder: w.inbox(w.mario)}},
		}},
		Held: &Held{Reason: "no", Recipients: []string{"x@y.test"}},
	}
}

func prepareWrap(w *world) func(Instant) error {
	digest := sha256.Sum256([]byte(newPEC()))
	return func(at Instant) error { return w.Wrap(w.ctx(), w.anomaly(at, digest)) }
}

func prepareNotice(final bool) func(*world) func(Instant) error {
	return func(w *world) func(Instant) error {
		t := w.task(TaskOverdue, w.accepted().Envelope.PEC)
		return func(at Instant) error {
			return w.Notify(w.ctx(), Notice{
				Instant: at, Record: record(at, pec.EventOverdue, t.PEC, comune), Task: t, Recipient: comune, Final: final,
				Receipt: w.receipt(pec.Overdue, t.PEC), Signing: signer, Sender: mario, Inbox: &InboxEntry{Mailbox: w.mario.ID, Folder: w.inbox(w.mario)},
			})
		}
	}
}

func (w *world) relayed(at Instant, t Task, state string) Relayed {
	r := Relayed{
		Instant: at, Record: record(at, pec.EventRelayed, t.PEC, comune), Task: t, Certify: true, Trouble: "450 domani",
		Results: []Relay{{Recipient: comune, State: state, Reply: "it said so"}},
	}
	if state == RelayPending {
		r.Due = at.At.Add(time.Hour)
	}
	return r
}

func prepareRelayed(state string) func(*world) func(Instant) error {
	return func(w *world) func(Instant) error {
		t := w.task(TaskRelay, w.accepted().Envelope.PEC)
		return func(at Instant) error { return w.Relayed(w.ctx(), w.relayed(at, t, state)) }
	}
}

func prepareHold(w *world) func(Instant) error {
	return func(at Instant) error {
		c := w.content([]byte("held"))
		m := w.message(KindHeld, "", Recipe{{Span: Span{Content: c.ID, Length: c.Size}}})
		return w.Hold(w.ctx(), at, record(at, pec.EventHeld, ""), Held{Reason: "no", Sender: "x@y.test", Recipients: []string{"a", "b"}, Peer: "127.0.0.1"}, c, m, nil)
	}
}

func prepareHoldStored(w *world) func(Instant) error {
	m := w.kept(Recipe{Literal([]byte("stored"))})
	return func(at Instant) error {
		return w.Hold(w.ctx(), at, record(at, pec.EventHeld, ""), Held{Reason: "no"}, nil, NewMessage{ID: m}, nil)
	}
}

func prepareHoldOwn(w *world) func(Instant) error {
	t := w.task(TaskReceive, w.accepted().Envelope.PEC)
	return func(at Instant) error {
		return w.Hold(w.ctx(), at, record(at, pec.EventHeld, t.PEC), Held{Reason: "no"}, nil, NewMessage{}, &t)
	}
}

func prepareReport(w *world) func(Instant) error {
	_, t := w.followUp()
	return func(at Instant) error {
		return w.Report(w.ctx(), Report{
			Instant: at, Record: record(at, pec.EventDSN, t.PEC, anna), Task: t, Sender: mario,
			Message: w.message(KindDSN, t.PEC, Recipe{Literal([]byte("dsn"))}),
		})
	}
}

func prepareUndeliverable(w *world) func(Instant) error {
	t := w.owed(mario)
	return func(at Instant) error {
		return w.Undeliverable(w.ctx(), at, record(at, pec.EventHeld, t.PEC), t, "no mailbox")
	}
}

func prepareDone(w *world) func(Instant) error {
	t := w.owed(mario)
	return func(Instant) error { return w.Done(w.ctx(), t) }
}

func preparePostpone(w *world) func(Instant) error {
	t := w.owed(mario)
	return func(at Instant) error { return w.Postpone(w.ctx(), t, at.At.Add(time.Minute), "later") }
}

func factsAreNumbered(w *world) {
	for range 5 {
		w.accepted()
		w.refused(ErrStale, func() error {
			return w.Note(w.ctx(), w.late(), record(w.instant(), pec.EventRepeated, "x@alfa.test"))
		})
	}
	w.numbered(5)
	w.clock.jump(time.Hour)
	w.accepted()
	newest, err := w.Newest(w.ctx())
	w.must(err)
	if !newest.Equal(w.clock.Now()) {
		w.Errorf("the newest fact is of %v, want %v", newest, w.clock.Now())
	}
}

// numbered sees that the facts' numbers are 1 to n.
func (w *world) numbered(n int64) {
	w.Helper()
	w.number()
	var first, last, all int64
	w.must(w.read.QueryRowContext(w.ctx(), `SELECT min(no), max(no), count(DISTINCT no) FROM fact`).Scan(&first, &last, &all))
	if first != 1 || last != n || all != n {
		w.Errorf("facts %d to %d, %d in all, want 1 to %d", first, last, all, n)
	}
	if facts, err := w.Facts(w.ctx()); facts != n || err != nil {
		w.Errorf("Facts: %d, %v, want %d", facts, err, n)
	}
}

func factIDIsUnique(w *world) {
	at := w.instant()
	r := record(at, pec.EventRepeated, "x@alfa.test")
	w.must(w.Note(w.ctx(), at, r))
	w.refused(ErrConflict, func() error { return w.Note(w.ctx(), at, r) })
}

func instantsFollowTheirCause(w *world) {
	cause := w.now().Add(time.Hour)
	if at := w.Instant(cause); !at.At.Equal(cause) || at.stale() {
		w.Errorf("an instant of %v for a cause of %v", at.At, cause)
	}
	if at := w.Instant(w.now().Add(-time.Hour)); !at.At.Equal(w.now()) {
		w.Errorf("an instant of %v at %v", at.At, w.now())
	}
}
