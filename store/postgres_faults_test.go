package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// TestUserOfASchema: the user of the database need not be allowed to make schemas where there is one.
func TestUserOfASchema(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	user := "u_" + NewID().String()
	postgrestest.Query(t, url, `CREATE USER `+user+`; CREATE SCHEMA `+schemaOf(t, url)+` AUTHORIZATION `+user)
	t.Cleanup(func() { postgrestest.Query(t, url, `DROP OWNED BY `+user+` CASCADE; DROP USER `+user) })
	s := openSQLiteDir(t, optionsAt(t, strings.Replace(url, "//postgres@", "//"+user+"@", 1)))
	if n, err := s.Facts(t.Context()); n != 0 || err != nil {
		t.Errorf("%d facts, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSnapshotOfNothing: a database that nobody has filled.
func TestSnapshotOfNothing(t *testing.T) {
	t.Parallel()
	o := optionsAt(t, postgrestest.URL(t))
	o.ReadOnly = true
	refusesOptions(t, o, "start it once")
}

// TestSealDoesNotHang: a database that answers no more keeps a long content's client waiting for a while, not for ever.
func TestSealDoesNotHang(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	sp := w.NewSpool()
	if _, err := sp.Write(noise(1, 2*memoryLimit)); err != nil {
		t.Fatal(err)
	}
	w.engine().patience = time.Second
	w.proxy.Hang(true)
	done := later(func() error { _, err := sp.Seal(context.Background()); return err })
	select {
	case err := <-done:
		if !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	case <-time.After(tryPatience):
		t.Error("it hangs")
	}
	w.proxy.Hang(false)
}
