package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/ceralacca/ceralacca/sandbox"
)

// Storage is what the sandboxes keep their data in. A PostgreSQL is a program of its own, whose CPU is not the sandbox's.
type Storage struct {
	Engine string `json:"engine"`               // sqlite or postgres
	Server string `json:"server,omitempty"`     // host, port and name of the database
	PID    int    `json:"server_pid,omitempty"` // of the server's first process; 0: it is not known
}

const (
	engineSQLite   = "sqlite"
	enginePostgres = "postgres"
)

// errNotKnown is why a measure has no value that needs the server's process. It is no failure.
var errNotKnown = errors.New("the process of the database server is not known: --database-pid names it if it runs on this machine")

// storage checks what the options say of the database.
func (o Options) storage() (Storage, error) {
	if o.Database == "" {
		if o.DatabasePID != 0 {
			return Storage{}, errors.New("the process of a database server is named, but no database")
		}
		return Storage{Engine: engineSQLite}, nil
	}
	u, err := url.Parse(o.Database)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return Storage{}, errors.New("the database is named by a URL, such as postgres://USER@HOST/NAME") // what was given may hold a password
	}
	if o.DatabasePID != 0 {
		err = checkServer(o.DatabasePID)
	}
	return Storage{enginePostgres, u.Host + u.Path, o.DatabasePID}, err
}

// serverName is what every process of a PostgreSQL is called.
const serverName = "postgres"

// checkServer wants a server's first process, whose children the others are.
func checkServer(pid int) error {
	s, err := readStat(pid)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no process %d", pid)
	}
	if err != nil {
		return fmt.Errorf("reading process %d: %w", pid, err)
	}
	if s.name != serverName {
		return fmt.Errorf("process %d is %s, not %s", pid, s.name, serverName)
	}
	if above, err := readStat(s.parent); err == nil && above.name == serverName {
		return fmt.Errorf("process %d is a part of the database server: its first process is %d", pid, s.parent)
	}
	return nil
}

// ofCPU is a measure of CPU: of the sandbox's process alone, and of it and the database server.
func (s Storage) ofCPU(name, what string, g goal, values func(whole bool) []float64) []Measure {
	alone := spread(name, what, values(false), g)
	if s.Engine == engineSQLite {
		return []Measure{alone}
	}
	alone.What += ", providers alone"
	whole := Measure{Name: name, What: what + ", with the database server", NotTaken: errNotKnown.Error()}
	if s.PID != 0 {
		whole = spread(name, whole.What, values(true), g)
	}
	return []Measure{alone, whole}
}

// apart says of a figure whether the CPU of a server is in it.
func (s Storage) apart() string {
	switch {
	case s.Engine == engineSQLite:
		return ""
	case s.PID == 0:
		return ", the database server's not known"
	}
	return ", the database server's in it"
}

// beside is the server's figure, to stand behind that of the sandbox.
func (s Storage) beside(format string, figure float64) string {
	if s.PID == 0 {
		return ""
	}
	return fmt.Sprintf(format+" of the database server", figure)
}

func (s Storage) ground() [2]string {
	switch {
	case s.Engine == engineSQLite:
		return [2]string{"data", "SQLite, inside the program"}
	case s.PID == 0:
		return [2]string{"data", fmt.Sprintf("PostgreSQL, %s; its process is not known", s.Server)}
	}
	return [2]string{"data", fmt.Sprintf("PostgreSQL, %s, process %d", s.Server, s.PID)}
}

// discardTime is for the sessions of a killed sandbox to end, too.
const discardTime = 10 * time.Second

// remove removes what a sandbox that has ended leaves: its schemas, also after the context has ended, and its directory.
func (l launch) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	err := sandbox.Discard(ctx, l.dir, l.database)
	for err != nil && pause(ctx, 10*lookEvery) == nil {
		err = sandbox.Discard(ctx, l.dir, l.database)
	}
	if err != nil {
		err = fmt.Errorf("what %s has in the database is left there: %w", l.dir, err)
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}
