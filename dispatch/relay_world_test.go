package dispatch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/store"
)

const (
	relaySender = pec.Address("mario@pec.alfa.test")
	ourEntry    = "providername=alfa,o=postacert"
	betaEntry   = "providername=beta,o=postacert"
	relayed     = "Subject: x\r\n\r\n.Ciao!\r\n..\r\n"
)

var relayEpoch = time.Date(2026, 9, 19, 10, 0, 0, 0, time.UTC)

// relayWorld is a Point over a store of its own, whose peers are functions, and a clock that the test moves.
type relayWorld struct {
	*Point
	t      *testing.T
	mu     sync.Mutex
	at     time.Time
	jumped chan struct{}
	alarms []string // what was logged as a warning or worse, the level first
	peers  map[string]*mailHost
	routes map[string]Route // by domain; others lead to a host of the domain's name, in clear
	warned chan struct{}    // gets a token after each
	onDial func(address string)
	sent   int
}

func newRelayWorld(t *testing.T) *relayWorld {
	w := &relayWorld{t: t, at: relayEpoch, jumped: make(chan struct{}), warned: make(chan struct{}, 100), peers: map[string]*mailHost{}, routes: map[string]Route{}}
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Database: postgrestest.Database(t), Now: w.now, Jumped: w.jump, Log: slog.New(slog.DiscardHandler), Fatal: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(PoolConfig{Hello: "us.test", Dial: w.dial, Now: w.now})
	w.Point = &Point{
		Store: st, Directory: func() *directory.Directory { return &directory.Directory{} }, Pool: pool, Routes: w.route, Parallel: 2,
		Log: slog.New(&alarms{w: w}),
	}
	t.Cleanup(func() {
		pool.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	w.ok(st.AddMailbox(t.Context(), relaySender, false, ""))
	return w
}

func (w *relayWorld) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *relayWorld) jump() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jumped
}

func (w *relayWorld) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
	close(w.jumped)
	w.jumped = make(chan struct{})
}

func (w *relayWorld) ok(v any, err error) any {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// alarms keeps what is logged for the operators to act upon.
type alarms struct{ w *relayWorld }

func (a *alarms) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (a *alarms) WithAttrs([]slog.Attr) slog.Handler               { return a }
func (a *alarms) WithGroup(string) slog.Handler                    { return a }
func (a *alarms) Handle(_ context.Context, r slog.Record) error {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.alarms = append(a.w.alarms, r.Level.String()+" "+r.Message)
	a.w.warned <- struct{}{}
	return nil
}

func (w *relayWorld) route(_ context.Context, domain string, _ bool) (Route, error) {
	if domain == "unknown.test" {
		return Route{}, errors.New("the name server does not answer")
	}
	if r, ok := w.routes[domain]; ok {
		return r, nil
	}
	return Route{Address: domain + ":25", Opportunistic: true}, nil
}

// mailHost is a mail server that answers from tables and keeps what it takes.
type mailHost struct {
	rcpt  map[string]string // answers to RCPT, 250 if there is none
	final string            // answer to the data, 250 if empty; "cut" closes the connection instead
	taken chan string       // "recipients|octets" of each transaction that was taken or cut
}

// host adds a host at the address of a domain's route.
func (w *relayWorld) host(domain string) *mailHost {
	h := &mailHost{rcpt: map[string]string{}, taken: make(chan string, 10)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers[domain+":25"] = h
	return h
}

func (w *relayWorld) dial(_ context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onDial != nil {
		w.onDial(address)
	}
	h := w.peers[address]
	if h == nil {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	go h.serve(theirs)
	return ours, nil
}

// serve speaks one session until its client goes, which the end of the test's pool sees to.
func (h *mailHost) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	say := func(line string) { io.WriteString(conn, line+"\r\n") }
	say("220 peer.test")
	var to []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		switch verb, argument, _ := strings.Cut(line, " "); verb {
		case "EHLO":
			say("250-peer.test\r\n250 8BITMIME")
		case "RCPT":
			address, _, _ := strings.Cut(strings.TrimPrefix(argument, "TO:<"), ">")
			answer := h.rcpt[address]
			if answer == "" {
				to, answer = append(to, address), "250 2.1.5 ok"
			}
			say(answer)
		case "DATA":
			say("354 go")
			body := ""
			for !strings.HasSuffix("\r\n"+body, "\r\n.\r\n") {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				body += line
			}
			h.taken <- strings.Join(to, " ") + "|" + body
			to = nil
			if h.final == "cut" {
				return
			}
			say(h.answer())
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (h *mailHost) answer() string {
	if h.final == "" {
		return "250 2.0.0 taken"
	}
	return h.final
}

// wantTaken compares the transactions that the host took: recipients of each.
func (w *relayWorld) wantTaken(h *mailHost, want ...string) {
	w.t.Helper()
	var got []string
	for len(h.taken) > 0 {
		to, body, _ := strings.Cut(<-h.taken, "|")
		got = append(got, to)
		if body != strings.ReplaceAll("\r\n"+relayed, "\r\n.", "\r\n..")[2:]+".\r\n" {
			w.t.Errorf("the host took %q", body)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("the host took transactions for %q, want %q", got, want)
	}
}

// message is one that is stored, of a kind.
func (w *relayWorld) message(kind pec.Kind, id pec.ID, span store.Span) store.NewMessage {
	scan := pec.NewScanner(nil)
	scan.Write([]byte(relayed))
	return store.NewMessage{
		ID: store.NewID(), Kind: string(kind), Provider: ourEntry, PEC: id, MessageID: string(id), Unit: "x", Signed: []byte(id),
		Recipe: store.Enclosing([]byte("Subject: x\r\n\r\n"), span, nil), Structure: scan.Finish(),
	}
}

// envelope commits that a message was accepted for recipients of one target, and returns its relay.
func (w *relayWorld) envelope(target string, to ...pec.Address) store.Task {
	w.t.Helper()
	w.sent++
	id := pec.ID("m" + strings.Repeat("i", w.sent) + "@pec.alfa.test")
	body := strings.TrimPrefix(relayed, "Subject: x\r\n\r\n")
	spool := w.Store.NewSpool()
	w.ok(spool.Write([]byte(body)))
	content := w.ok(spool.Seal(w.t.Context())).(*store.Content)
	box := w.ok(w.Store.Mailbox(w.t.Context(), relaySender)).(store.Mailbox)
	span := store.Span{Content: content.ID, Length: content.Size}
	m := w.message(pec.Transport, id, span)
	at := w.Store.Instant(w.now())
	a := store.Acceptance{
		Instant: at, Key: store.SubmissionKey{Mailbox: box.ID, ClientID: pec.ClientID(id)}, Content: content, Transport: m,
		Receipt: w.message(pec.Acceptance, id, span), Inbox: w.ok(w.Store.InboxEntryOf(w.t.Context(), box, "posta-certificata@pec.alfa.test", relaySender, "")).(store.InboxEntry),
		Relays:   []store.NewRelay{{Message: m.ID, Target: target, Sender: relaySender, Recipients: to}},
		Envelope: store.Envelope{Provider: ourEntry, PEC: id, Message: m.ID, CertData: []byte("x"), Header: []byte("x"), Body: span, Sender: relaySender, Mailbox: box.ID, At: at.At},
		Record:   pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventAccepted, ID: id, Provider: ourEntry}}},
	}
	if target == betaEntry {
		a.Certified = to
	}
	w.ok(nil, w.Store.Accept(w.t.Context(), a))
	return w.task(id)
}

// receipt commits that something of Beta's was taken in charge, and returns the relay of the receipt that says so.
func (w *relayWorld) receipt(to pec.Address) store.Task {
	w.t.Helper()
	task := w.envelope(betaEntry, "x@pec.beta.test") // some content to refer to
	e := w.ok(w.Store.Envelope(w.t.Context(), ourEntry, task.PEC)).(store.Envelope)
	const id = pec.ID("theirs@pec.beta.test")
	m, r, at := w.message(pec.Transport, id, e.Body), w.message(pec.TakenInCharge, id, e.Body), w.Store.Instant(w.now())
	e.Provider, e.PEC, e.Message, e.Mailbox = betaEntry, id, m.ID, store.ID{}
	w.ok(nil, w.Store.TakeCharge(w.t.Context(), store.Charge{
		Instant: at, Envelope: e, Digest: []byte("x"), Recipients: []pec.Address{relaySender}, Transport: &m,
		Receipts: []store.TakenReceipt{{Message: r, Recipients: []pec.Address{relaySender}, Relay: store.NewRelay{
			Message: r.ID, Target: betaEntry, Sender: "posta-certificata@pec.alfa.test", Recipients: []pec.Address{to},
		}}},
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventTakenInCharge, ID: id, Provider: betaEntry}}},
	}))
	return w.task(id)
}

// task is the relay of a message as it stands now; the zero task if it is finished.
func (w *relayWorld) task(id pec.ID) store.Task {
	w.t.Helper()
	for _, t := range w.tasks(store.TaskRelay) {
		if t.PEC == id {
			return t
		}
	}
	return store.Task{}
}

func (w *relayWorld) tasks(kind store.TaskKind) []store.Task {
	w.t.Helper()
	return slices.DeleteFunc(w.ok(w.Store.Tasks(w.t.Context())).([]store.Task), func(t store.Task) bool { return t.Kind != kind })
}

// relay makes one attempt, which must lead to a fact, and returns the task as it stands then.
func (w *relayWorld) relay(t store.Task) store.Task {
	w.t.Helper()
	w.ok(nil, w.Relay(w.t.Context(), t))
	return w.task(t.PEC)
}

// wantStates compares the recipients' relays: "address state", sorted.
func (w *relayWorld) wantStates(t store.Task, want ...string) {
	w.t.Helper()
	var got []string
	for _, r := range w.ok(w.Store.Relays(w.t.Context(), t)).([]store.Relay) {
		got = append(got, string(r.Recipient)+" "+r.State)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("the relays are %q, want %q", got, want)
	}
}

// record is the newest fact's.
func (w *relayWorld) record() pec.Record {
	w.t.Helper()
	facts := w.ok(w.Store.NewFacts(w.t.Context())).([]store.Fact)
	if len(facts) == 0 { // all have their numbers
		n := w.ok(w.Store.Facts(w.t.Context())).(int64)
		facts = w.ok(w.Store.FactsBetween(w.t.Context(), n, n+1)).([]store.Fact)
	}
	return w.ok(pec.ParseRecord(facts[len(facts)-1].Record)).(pec.Record)
}
