package postgrestest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"testing"
)

// Server is a PostgreSQL server. Its methods may be called at the same time.
type Server struct {
	supervisor *supervisor
	port       string
}

// Start starts a server of the test's own, which ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := launch()
	if err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
	t.Cleanup(func() {
		s.showLog(t, 0)
		if err := s.supervisor.end(); err != nil {
			t.Errorf("postgrestest: end the server: %v", err)
		}
	})
	return s
}

// URL returns a URL of the server, with a new schema's name at each call.
func (s *Server) URL() string {
	location := s.location()
	return withSchema(location)
}

// Query runs SQL as the package's Query does, in the schema public.
func (s *Server) Query(t testing.TB, sql string) string {
	t.Helper()
	location := s.location()
	return Query(t, location.String(), sql)
}

// Stop ends the server in immediate mode, much as a power cut would: it waits for nobody and writes nothing of what it
// holds. Unlike a power cut it leaves the operating system its memory, and tells its clients. Its URLs stay good for the
// time after Restart.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.order(t, "stop")
}

// Restart starts a server that Stop has ended, and returns when it has recovered and accepts connections.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.order(t, "start "+s.port)
}

// Freeze stops every process of the server where it is: connections stay up, new ones are taken by the operating system,
// locks are held, and nothing is answered until Thaw. A server may be stopped while it is frozen.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	s.order(t, "freeze")
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw(t testing.TB) {
	t.Helper()
	s.order(t, "thaw")
}

func (s *Server) order(t testing.TB, order string) {
	t.Helper()
	if err := s.supervisor.order(order); err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
}

// location is the URL without a schema.
func (s *Server) location() url.URL {
	return url.URL{
		Scheme:   "postgres",
		User:     url.User("postgres"),
		Host:     net.JoinHostPort("127.0.0.1", s.port),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
}

// showLog puts into a failed test's log what the server logged after its first octets.
func (s *Server) showLog(t testing.TB, first int64) {
	t.Helper()
	if t.Failed() {
		t.Logf("PostgreSQL's log:\n%s", s.supervisor.logSince(first))
	}
}

// launch makes a cluster and starts its server.
func launch() (*Server, error) {
	v, err := newSupervisor()
	if err != nil {
		return nil, err
	}
	s := &Server{supervisor: v}
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, v.end())
	}
	return s, nil
}

// begin tries some ports: another process may take one before the server does.
func (s *Server) begin() error {
	const tries = 3
	err := s.supervisor.order("create")
	if err != nil {
		return err
	}
	for range tries {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.supervisor.order("start " + s.port); err == nil {
			return nil
		}
	}
	return err
}

// freePort finds a port where nobody listens, below those that Linux and others give to outgoing connections.
func freePort() (string, error) {
	const first, many, tries = 15000, 17000, 100
	var failed error
	for range tries {
		port := strconv.Itoa(first + rand.IntN(many))
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return port, listener.Close()
		}
		failed = err
	}
	return "", fmt.Errorf("find a free port: %w", failed)
}
