package postgrestest

import (
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
)

// Variable is the environment variable that names a server that is there already, by a URL.
const Variable = "CERALACCA_POSTGRES"

// serverFlag does the same on the test's command line, and is where URL finds what Main has made ready.
const serverFlag = "postgres"

// Main runs a package's tests and ends the server that URL started for them, if it did. It returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }
func Main(m *testing.M) int {
	common := &shared{given: os.Getenv(Variable)}
	flag.Var(common, serverFlag, "`URL` of a PostgreSQL server for the tests; without one they start their own")
	code := m.Run()
	if err := common.end(); err != nil {
		fmt.Fprintln(os.Stderr, "postgrestest: end the server:", err)
		return max(code, 1)
	}
	return code
}

// URL returns a URL of the server that the tests of this process share, with a new schema's name as the search_path. The
// schema is not made. Main has to run the tests.
func URL(t testing.TB) string {
	t.Helper()
	registered := flag.Lookup(serverFlag)
	if registered == nil {
		t.Fatal("postgrestest: no server: the package's TestMain has to call postgrestest.Main")
	}
	common, ok := registered.Value.(*shared)
	if !ok {
		t.Fatalf("postgrestest: the flag -%s is somebody else's", serverFlag)
	}
	location, err := common.location(t)
	if err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
	return withSchema(location)
}

// shared is the value of the flag: the server that tests share.
type shared struct {
	given string // the URL of a server that is there already, or ""

	mu     sync.Mutex
	server *Server // started by the first test that needs it
	failed error   // why it could not be
}

// String is the flag's text.
func (s *shared) String() string { return s.given }

// Set takes the flag's text.
func (s *shared) Set(text string) error {
	s.given = text
	return nil
}

// location returns the URL of the server without a schema, and has what it logs from now on shown if the test fails.
func (s *shared) location(t testing.TB) (url.URL, error) {
	if s.given != "" {
		location, err := url.Parse(s.given)
		if err != nil {
			return url.URL{}, fmt.Errorf("%s: %w", Variable, err)
		}
		return *location, nil
	}
	server, err := s.started()
	if err != nil {
		return url.URL{}, err
	}
	first := server.supervisor.logged()
	t.Cleanup(func() { server.showLog(t, first) })
	return server.location(), nil
}

func (s *shared) started() (*Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.failed == nil {
		s.server, s.failed = launch()
	}
	return s.server, s.failed
}

func (s *shared) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	return s.server.supervisor.end()
}

// withSchema returns the URL with the name of a new schema.
func withSchema(location url.URL) string {
	var name [8]byte
	rand.Read(name[:]) // never fails
	query := location.Query()
	query.Set("search_path", "t_"+hex.EncodeToString(name[:]))
	location.RawQuery = query.Encode()
	return location.String()
}
