package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

const secret = "pàssword lunga"

func (w *world) login(password string, want error) {
	w.Helper()
	m, err := w.Authenticate(w.ctx(), string(mario), password)
	if !errors.Is(err, want) || (err == nil) != (m.ID == w.mario.ID) {
		w.Errorf("%q: %v, %v, want %v", password, m.ID, err, want)
	}
}

// credentials. attacks.md 9.
func credentials(w *world) {
	w.login("", ErrLogin) // no password was ever set
	for _, bad := range []string{"", "short", strings.Repeat("x", maxPassword+1)} {
		before := w.dump()
		if err := w.SetPassword(w.ctx(), mario, bad); err == nil || w.dump() != before {
			w.Errorf("a password of %d octets: %v", len(bad), err)
		}
	}
	w.must(w.SetPassword(w.ctx(), mario, secret))
	w.login(secret, nil)
	w.login(secret+" ", ErrLogin)
	w.login("", ErrLogin)
	w.login(strings.Repeat("x", maxPassword+1), ErrLogin)
	if m, err := w.Authenticate(w.ctx(), strings.ToUpper(string(mario)), secret); err != nil || m.ID != w.mario.ID {
		w.Errorf("an address in other case: %v", err)
	}
	if _, err := w.Authenticate(w.ctx(), string(luigi), secret); !errors.Is(err, ErrLogin) {
		w.Errorf("another's password: %v", err)
	}
	var verifier string
	w.must(w.read.QueryRowContext(w.ctx(), `SELECT verifier FROM credential`).Scan(&verifier))
	if !strings.HasPrefix(verifier, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(verifier, secret) {
		w.Errorf("the verifier is %q", verifier)
	}
}

// rememberedLogins: a success is remembered, and forgotten with what it rested on. attacks.md 9.
func rememberedLogins(w *world) {
	w.must(w.SetPassword(w.ctx(), mario, secret))
	w.login(secret, nil)
	w.verifications(0, func(ctx context.Context) error { _, err := w.Authenticate(ctx, string(mario), secret); return err })
	w.verifications(1, func(ctx context.Context) error { _, err := w.Authenticate(ctx, string(mario), secret+"!"); return err })

	w.must(w.SetEnabled(w.ctx(), mario, false))
	w.login(secret, ErrLogin)
	w.must(w.SetEnabled(w.ctx(), mario, true))
	w.verifications(1, func(ctx context.Context) error { _, err := w.Authenticate(ctx, string(mario), secret); return err })
	w.login(secret, nil)
	w.must(w.SetPassword(w.ctx(), mario, "another password"))
	w.login(secret, ErrLogin)
	w.login("another password", nil)

	// A password that was verified while it was being changed is not remembered.
	before, err := w.Mailbox(w.ctx(), mario)
	w.must(err)
	w.must(w.SetPassword(w.ctx(), mario, "a third password"))
	w.known.add(w.mario.ID, w.known.sum(before, "another password"))
	w.login("another password", ErrLogin)
}

// verifications sees that a login costs as many verifications as it should: with all slots taken, it cannot make one.
func (w *world) verifications(want int, login func(context.Context) error) {
	w.Helper()
	for range cap(w.known.slots) {
		w.known.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(w.ctx())
	result := make(chan error, 1)
	go func() { result <- login(ctx) }()
	if want == 0 {
		w.must(<-result)
	}
	cancel()
	if want > 0 {
		if err := <-result; !errors.Is(err, context.Canceled) {
			w.Errorf("a login without a verification: %v", err)
		}
	}
	for range cap(w.known.slots) {
		<-w.known.slots
	}
}

// unknownAddressCosts: whether an address exists cannot be told by time. attacks.md 9.
func unknownAddressCosts(w *world) {
	for _, a := range []pec.Address{anna, mario, "", "no address"} { // mario has no password
		w.verifications(1, func(ctx context.Context) error { _, err := w.Authenticate(ctx, string(a), secret); return err })
		if _, err := w.Authenticate(w.ctx(), string(a), secret); !errors.Is(err, ErrLogin) {
			w.Errorf("%q: %v", a, err)
		}
	}
}

func TestDecoyHasTheFormOfAVerifier(t *testing.T) {
	real, err := hashPassword(secret)
	if err != nil {
		t.Fatal(err)
	}
	if !verifyPassword(real, secret) || verifyPassword(real, secret+"x") || verifyPassword(decoyVerifier, secret) {
		t.Error("a verifier opens to what it should not, or does not open")
	}
	form := func(v string) (parts []int) {
		for _, p := range strings.Split(v, "$") {
			parts = append(parts, len(p))
		}
		return parts
	}
	if a, b := form(real), form(decoyVerifier); len(a) != 6 || len(b) != 6 || a[4] != b[4] || a[5] != b[5] {
		t.Errorf("the decoy has parts of %v octets, a verifier of %v", b, a)
	}
	for _, broken := range []string{"", "$", "a$b$c$d$e$f", real[:len(real)-1], strings.Replace(real, "t=2", "t=1", 1)} {
		if verifyPassword(broken, secret) {
			t.Errorf("%q opened", broken)
		}
	}
}
