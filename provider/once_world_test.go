package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// onceLimit is when a test that waits in vain says for what; it is never reached otherwise.
const onceLimit = 60 * time.Second

// world is two providers, Alfa and Beta, that reach each other and are reached by Alfa's client through proxies. Each can
// die at any commit and be opened anew on its own data. The test's goroutine alone moves it.
type world struct {
	testing.TB
	ctx        context.Context
	clock      *Clock
	alfa, beta *member
	submission *proxy // the client to Alfa
	toBeta     *proxy // Alfa to Beta
	toAlfa     *proxy // Beta to Alfa
	changed    chan struct{}
	broken     atomic.Bool // something died or was cut: the steps come in no order any more
}

// member is one provider of a world through all its lives.
type member struct {
	world    *world
	name     string
	path     string // of the configuration
	database string // "" for the embedded engine
	log      *slog.Logger
	before   func(*store.Store)                    // called before rows are committed; nil for none
	fault    func(*store.Store, store.Place) error // Options.Fault; nil for none
	now      atomic.Pointer[Provider]              // the present life; nil between two
	dead     atomic.Bool                           // the present life ended by a failed commit
	ends     atomic.Bool                           // the present life was asked to end
	quit     context.CancelFunc                    // asks it
	awake    chan struct{}                         // closed by wake
	wake     func()                                // called after the present life's first commit, which is housekeeping's
	lives    int
	lingers  bool     // after its death, until its next life
	found    []string // the facts that the present life began with
	wires    []*proxy // what is cut when it dies
	stop     func()
}

// newWorld makes a world that does not run yet: proxies' and members' fields may be set until start.
func newWorld(t testing.TB) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), onceLimit)
	t.Cleanup(cancel)
	w := &world{TB: t, ctx: ctx, clock: NewClock(0), changed: make(chan struct{}, 1)}
	w.submission, w.toAlfa, w.toBeta = newProxy(true), newProxy(false), newProxy(false)
	log := &bytes.Buffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	w.alfa = w.member("alfa", betaHost, w.toBeta, logger)
	w.beta = w.member("beta", alfaHost, w.toAlfa, logger)
	w.alfa.wires, w.beta.wires = []*proxy{w.submission, w.toAlfa, w.toBeta}, []*proxy{w.toAlfa, w.toBeta}
	w.submission.target = func() string { return w.alfa.address("submissions") }
	w.toAlfa.target = func() string { return w.alfa.address("smtp") }
	w.toBeta.target = func() string { return w.beta.address("smtp") }
	return w
}

// member is a provider whose mail for the peer's domain goes through a proxy.
func (w *world) member(name, peer string, way *proxy, log *slog.Logger) *member {
	w.Helper()
	domain := "pec." + name + ".test"
	text := strings.NewReplacer(providerName, nameOf(domain), "pec.example", domain).Replace(minimal(w))
	text += fmt.Sprintf("\n[relay]\nroots_file = \"signing-roots.pem\"\n[[relay.routes]]\ndomain = %q\naddress = %q\ntls_name = %q\n", peer, way.address(), "mx."+peer)
	m := &member{world: w, name: name, path: furnish(w, domain, text), log: log.With("provider", name)}
	m.database = load(w, m.path).Store.Database
	return m
}

// start runs both providers and the proxies until the end of the test.
func (w *world) start() *world {
	w.Helper()
	for _, p := range []*proxy{w.submission, w.toAlfa, w.toBeta} {
		w.Cleanup(p.close)
		p.run(w.ctx)
	}
	for _, m := range w.members() {
		m.stop = func() {}
		w.Cleanup(func() { m.stop() })
		m.start()
	}
	return w
}

func (w *world) members() []*member { return []*member{w.alfa, w.beta} }

func (w *world) named(name string) *member {
	return w.members()[slices.IndexFunc(w.members(), func(m *member) bool { return m.name == name })]
}

// start begins a life on what the one before left.
func (m *member) start() {
	w := m.world
	w.Helper()
	m.dead.Store(false)
	m.ends.Store(false)
	m.awake = make(chan struct{})
	m.wake = sync.OnceFunc(func() { close(m.awake) })
	p, err := Open(w.ctx, load(w, m.path), Options{Clock: w.clock, Log: m.log, Fatal: m.die, Fault: m.reached})
	if err != nil {
		w.Fatalf("opening %s: %v", m.name, err)
	}
	m.lives++
	m.found = w.factsOf(p.Store)
	m.now.Store(p)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.ctx))
	m.quit = cancel
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	m.stop = sync.OnceFunc(func() {
		m.now.Store(nil)
		cancel()
		if err := <-ended; err != nil && !m.dead.Load() {
			w.Errorf("running %s: %v", m.name, err)
		}
		if m.dead.Load() {
			cut(m.wires)
		}
		if err := p.Close(); err != nil && !m.dead.Load() {
			w.Errorf("closing %s: %v", m.name, err)
		}
	})
	select {
	case <-m.awake:
	case <-w.ctx.Done():
		w.Fatalf("%s keeps no house", m.name)
	}
}

// die is what a process does whose commit has no known outcome: nobody hears of it any more. One that lingers is heard, and must
// have nothing to say.
func (m *member) die(err error) {
	if !errors.Is(err, errBroken) {
		m.world.Errorf("%s dies: %v", m.name, err)
	}
	m.dead.Store(true)
	if !m.lingers {
		cut(m.wires)
	}
	m.world.breaks()
}

// leave is what a process does that is told to stop.
func (m *member) leave() {
	m.ends.Store(true)
	m.quit()
	m.world.breaks()
}

// breaks says that the order of steps is broken.
func (w *world) breaks() {
	w.broken.Store(true)
	w.stir()
}

// stir wakes await.
func (w *world) stir() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// reached hears of the places of a commit.
func (m *member) reached(place store.Place) error {
	if place == store.AfterCommit {
		defer m.world.stir()
	}
	p := m.now.Load()
	select {
	case <-m.awake:
	default:
		if place == store.AfterCommit {
			m.wake()
		}
		return nil
	}
	if p == nil {
		return nil // it is being closed
	}
	if place == store.AfterRows && m.before != nil {
		m.before(p.Store)
	}
	if m.fault == nil {
		return nil
	}
	return m.fault(p.Store, place)
}

// address is where a service of the present life listens.
func (m *member) address(service string) string {
	if p := m.now.Load(); p != nil {
		for _, s := range p.servers {
			if s.name == service {
				return s.listener.Addr().String()
			}
		}
	}
	return ""
}

func (m *member) store() *store.Store { return m.now.Load().Store }

// revive gives who died or was stopped a further life.
func (w *world) revive() {
	w.Helper()
	for _, m := range w.members() {
		if m.dead.Load() || m.ends.Load() {
			m.stop()
			m.start()
		}
	}
}

// await waits until done. It returns false if something broke before.
func (w *world) await(what string, done func() bool) bool {
	w.Helper()
	for {
		switch {
		case w.broken.Load():
			return false
		case done():
			return true
		}
		w.wait(what)
	}
}

// wait waits for the next commit or death.
func (w *world) wait(what string) {
	w.Helper()
	select {
	case <-w.changed:
	case <-w.ctx.Done():
		stacks := make([]byte, 1<<20)
		w.Logf("%s", stacks[:runtime.Stack(stacks, true)])
		w.Fatalf("%s: nothing happens; alfa has %+v, beta has %+v", what, w.alfa.tasks(), w.beta.tasks())
	}
}

// inOrder makes the next start let one thing happen at a time in the exchange of one recipient at Beta: then the n-th fact
// of each provider is the same one every time, and conversation 1 of toAlfa brings the taking in charge.
func (w *world) inOrder() *world {
	w.toBeta.gate, w.toAlfa.gate = newGate(), newGate()
	w.beta.before = func(st *store.Store) {
		if n, err := st.Facts(w.ctx); n == 1 && err == nil { // the delivery: its receipt comes second
			select {
			case <-w.toAlfa.first:
			case <-w.ctx.Done():
			}
		}
	}
	return w
}

// proceed lets the steps after the submission happen in their order. Once something is broken, there is none.
func (w *world) proceed() {
	w.Helper()
	defer w.toBeta.gate.open()
	defer w.toAlfa.gate.open()
	owe := func(alfa, beta string) func() bool {
		return func() bool { return w.alfa.owes() == alfa && w.beta.owes() == beta }
	}
	if !w.await("the acceptance is deposited", owe("relay", "")) {
		return
	}
	w.toBeta.gate.admit()
	if !w.await("the message is delivered", owe("", "relay relay")) {
		return
	}
	w.toAlfa.gate.admit()
	if !w.await("the taking in charge is deposited", owe("", "relay")) {
		return
	}
	w.toAlfa.gate.admit()
	w.await("the delivery receipt is deposited", owe("", ""))
}

// drain lets everything that is owed be done: who dies lives again, and when all waits for the law's clock, it moves.
func (w *world) drain() {
	w.Helper()
	for {
		w.revive()
		tasks := append(w.alfa.tasks(), w.beta.tasks()...)
		if len(tasks) == 0 {
			return
		}
		next := tasks[0].Due
		for _, t := range tasks {
			if t.Due.Before(next) {
				next = t.Due
			}
		}
		if now := w.clock.Now(); next.After(now) {
			w.clock.Advance(next.Sub(now))
		}
		w.wait("draining")
	}
}

// owes lists the kinds of the tasks that are not done.
func (m *member) owes() string {
	m.world.Helper()
	var kinds []string
	for _, t := range m.tasks() {
		if t.Kind != store.TaskOverdue { // it waits for half a day, and hides nothing
			kinds = append(kinds, string(t.Kind))
		}
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

func (m *member) tasks() []store.Task {
	m.world.Helper()
	ts, err := m.store().Tasks(context.WithoutCancel(m.world.ctx)) // wait shows them at the end of its patience
	if err != nil {
		m.world.Fatal(err)
	}
	return ts
}

// factsOf names the facts of a store in their order: "heard presa-in-carico".
func (w *world) factsOf(st *store.Store) (names []string) {
	w.Helper()
	fresh := found(w, st.NewFacts) // read first: meanwhile they may get their numbers
	numbered, err := st.FactsBetween(w.ctx, 1, 1000)
	if err != nil {
		w.Fatal(err)
	}
	fresh = slices.DeleteFunc(fresh, func(f store.Fact) bool {
		return slices.ContainsFunc(numbered, func(n store.Fact) bool { return n.ID == f.ID })
	})
	for _, f := range append(numbered, fresh...) {
		r, err := pec.ParseRecord(f.Record)
		if err != nil {
			w.Fatal(err)
		}
		e := r.Events[0]
		kind, _, _ := strings.Cut(e.Detail, " ")
		names = append(names, strings.TrimSpace(string(e.Kind)+" "+kind))
	}
	return names
}

// found is what a store lists, or the end of the test.
func found[T any](w *world, list func(context.Context) ([]T, error)) []T {
	w.Helper()
	all, err := list(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return all
}

var errBroken = errors.New("broken by the test")
