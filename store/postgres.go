package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresEngine keeps everything in a PostgreSQL database, which any number of processes share. Dir has the lock and the
// octets that are arriving, nothing that lasts.
type postgresEngine struct {
	store    *Store
	dir      string
	lock     *os.File
	holder   *pgx.Conn // keeps everybody else away
	config   *pgx.ConnConfig
	patience time.Duration // for one attempt; tryPatience, less in tests
	most     int32         // connections that write, and as many that read
	pool     *pgxpool.Pool // of commits
	service  *pgxpool.Pool // of what must go on when all of those wait: leases, claims, hints, numbers
	lanes    lanes
	uploads  chan struct{} // long contents on their way: half of them, so that commits find room
	readers  *sql.DB
	read     *reader
	snapshot *sql.Tx // nil but in a snapshot

	snapshotting bool

	node    string // this process's token
	channel string // of hints
	hints   hints
	lease   lease
	fresh   chan struct{} // facts wait for their numbers

	life    context.Context // of what runs behind
	end     context.CancelFunc
	running sync.WaitGroup

	gate    sync.RWMutex // held for reading while a commit begins
	closed  bool
	commits sync.WaitGroup
}

const (
	serviceConns  = 3
	defaultConns  = 10               // unless the URL has pool_max_conns; one more listens
	tryPatience   = 30 * time.Second // for one attempt of a commit, or one query
	closePatience = 10 * time.Second // for commits whose outcome is not known when the store is closed
)

// openPostgres joins the processes that share the database.
func openPostgres(ctx context.Context, s *Store, o Options) (*postgresEngine, error) {
	e := &postgresEngine{store: s, dir: o.Dir, patience: tryPatience, node: NewID().String(), hints: newHints(), fresh: make(chan struct{}, 1)}
	e.life, e.end = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if e.config, e.most, err = postgresConfig(o.Database); err != nil {
		return nil, err
	}
	e.uploads = make(chan struct{}, max(1, e.most/2))
	if e.snapshotting = o.ReadOnly; o.ReadOnly {
		return e, e.openSnapshot(ctx)
	}
	if e.lock, err = takeDir(o.Dir, e.refuseForeign, spoolDir); err != nil {
		return nil, err
	}
	if err := e.join(ctx); err != nil {
		e.abandon()
		return nil, errors.Join(err, UnlockFile(e.lock))
	}
	return e, nil
}

// refuseForeign refuses the directory of a provider whose data are there.
func (e *postgresEngine) refuseForeign(names map[string]bool) error {
	if names[databaseName] || names[segmentsDir] {
		return fmt.Errorf("%s holds the data of a provider, and the configuration names a database: move them with `ceralacca migrate`, or name another data_dir", e.dir)
	}
	if names[spoolDir] {
		return nil
	}
	if other := foreignName(names, nodeName); other != "" {
		return fmt.Errorf("%s is no data directory of this program (it holds %s): name an empty or new one", e.dir, other)
	}
	return nil
}

func (e *postgresEngine) join(ctx context.Context) error {
	if err := e.clearSpool(); err != nil {
		return err
	}
	if err := e.migrate(ctx); err != nil {
		return err
	}
	if e.store.alone {
		if err := e.keepOthersAway(ctx); err != nil {
			return err
		}
	}
	if err := e.connect(ctx); err != nil {
		return err
	}
	if e.store.alone {
		if _, err := e.pool.Exec(ctx, dropUploads(`true`)); err != nil {
			return fmt.Errorf("removing what an earlier move left: %w", err)
		}
	}
	if err := e.succeed(ctx); err != nil {
		return err
	}
	if err := e.renew(ctx); err != nil {
		return fmt.Errorf("joining the processes on %s: %w", e.where(), err)
	}
	id, err := identity(ctx, e.read)
	if err != nil {
		return err
	}
	e.channel = "ceralacca_" + id.String()
	for _, f := range []func(){e.keepLease, e.listen, e.tell, e.numberFacts} {
		e.running.Go(f)
	}
	wake(e.fresh) // a crash may have left some
	return nil
}

// succeed ends the lease of the process that had this directory before: we have its lock, so that one is gone, and what it had
// claimed can be taken at once.
func (e *postgresEngine) succeed(ctx context.Context) error {
	path := filepath.Join(e.dir, nodeName)
	if before, err := os.ReadFile(path); err == nil {
		if _, err := e.pool.Exec(ctx, `DELETE FROM node WHERE token = $1`, postgresArg(string(before))); err != nil {
			return fmt.Errorf("succeeding the process before: %w", err)
		}
	}
	if err := os.WriteFile(path, []byte(e.node), 0o600); err != nil {
		return fmt.Errorf("writing this process's token: %w", err)
	}
	return nil
}

// clearSpool removes what was arriving when the process ended: nobody was answered for it.
func (e *postgresEngine) clearSpool() error {
	dir := filepath.Join(e.dir, spoolDir)
	names, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	for _, n := range names {
		if err := os.Remove(filepath.Join(dir, n.Name())); err != nil {
			return fmt.Errorf("clearing the spool: %w", err)
		}
	}
	return nil
}

// postgresConfig is what every connection begins with. What the URL says stands, apart from what the promises rest on.
func postgresConfig(url string) (c *pgx.ConnConfig, most int32, err error) {
	p, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, 0, fmt.Errorf("the database's URL cannot be used: %w", err)
	}
	c, most = p.ConnConfig, defaultConns
	if strings.Contains(url, "pool_max_conns=") {
		most = p.MaxConns
	}
	for name, value := range map[string]string{
		"application_name": "ceralacca", "lock_timeout": "3s", "statement_timeout": "60s", "idle_in_transaction_session_timeout": "60s",
		"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	} {
		if _, said := c.RuntimeParams[name]; !said {
			c.RuntimeParams[name] = value
		}
	}
	// Guards rest on row locks and on statements that see what was committed before them.
	c.RuntimeParams["default_transaction_isolation"] = "read committed"
	c.RuntimeParams["standard_conforming_strings"] = "on"
	// One schema, whose name is that of the lock on it.
	if c.RuntimeParams["search_path"] == "" {
		c.RuntimeParams["search_path"] = "public"
	}
	if path := c.RuntimeParams["search_path"]; !isSchemaName(path) {
		return nil, 0, fmt.Errorf("search_path=%s: one name of small letters, digits and _ is possible", path)
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.ValidateConnect == nil {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.OnNotice = noteWarning
	c.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}).DialContext
	return c, most, nil
}

func isSchemaName(s string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && (s[0] < '0' || s[0] > '9')
}

// where names the database in messages, without a password.
func (e *postgresEngine) where() string {
	name := fmt.Sprintf("%s at %s:%d", e.config.Database, e.config.Host, e.config.Port)
	if path := e.config.RuntimeParams["search_path"]; path != "public" {
		name += ", schema " + path
	}
	return name
}

func (e *postgresEngine) connect(ctx context.Context) error {
	var err error
	if e.pool, err = e.newPool(ctx, e.most); err != nil {
		return err
	}
	if e.service, err = e.newPool(ctx, serviceConns); err != nil {
		return err
	}
	e.readers = stdlib.OpenDB(*e.config.Copy(), stdlib.OptionAfterConnect(e.enter))
	e.readers.SetMaxOpenConns(int(e.most))
	e.readers.SetMaxIdleConns(int(e.most))
	e.readers.SetConnMaxLifetime(time.Hour)
	e.read = e.newReader(e.readers.QueryContext, e.readers.QueryRowContext)
	return nil
}

func (e *postgresEngine) newPool(ctx context.Context, most int32) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	c.ConnConfig, c.AfterConnect, c.MaxConns = e.config.Copy(), e.enter, most
	c.MaxConnIdleTime, c.MaxConnLifetime, c.HealthCheckPeriod = 10*time.Minute, time.Hour, time.Minute
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", e.where(), err)
	}
	return pool, nil
}

func (e *postgresEngine) newReader(query func(context.Context, string, ...any) (*sql.Rows, error), queryRow func(context.Context, string, ...any) *sql.Row) *reader {
	return &reader{query: query, queryRow: queryRow, patience: tryPatience, judge: judgeRead, arg: postgresArg}
}

// openSnapshot reads one state beside the processes that run.
func (e *postgresEngine) openSnapshot(ctx context.Context) error {
	delete(e.config.RuntimeParams, "statement_timeout")
	delete(e.config.RuntimeParams, "idle_in_transaction_session_timeout")
	e.readers = stdlib.OpenDB(*e.config.Copy(), stdlib.OptionAfterConnect(e.enter))
	var err error
	if e.snapshot, err = e.readers.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}); err != nil {
		return errors.Join(fmt.Errorf("reading %s: %w", e.where(), err), e.readers.Close())
	}
	e.read = e.newReader(e.snapshot.QueryContext, e.snapshot.QueryRowContext)
	e.read.patience = 0
	return nil
}

func (e *postgresEngine) reader() *reader { return e.read }

// close waits for the commits under way, gives back what this process has claimed, and leaves.
func (e *postgresEngine) close() error {
	if e.snapshot != nil {
		return errors.Join(e.snapshot.Rollback(), e.readers.Close())
	}
	e.gate.Lock()
	first := !e.closed
	e.closed = true
	e.gate.Unlock()
	if !first {
		return nil
	}
	known := make(chan struct{})
	go func() { e.commits.Wait(); close(known) }()
	select {
	case <-known:
	case <-time.After(closePatience):
		e.store.log.Error("the process ends while the outcome of a commit is not known: its client was not answered")
	}
	e.end()
	e.running.Wait()
	<-known
	var err error
	if !e.store.failed.Load() {
		err = e.leave()
	}
	e.abandon()
	return errors.Join(err, UnlockFile(e.lock))
}

// abandon ends what was opened, and no more.
func (e *postgresEngine) abandon() {
	e.end()
	e.running.Wait()
	for _, pool := range []*pgxpool.Pool{e.pool, e.service} {
		if pool != nil {
			pool.Close()
		}
	}
	if e.readers != nil {
		e.readers.Close()
	}
	if e.holder != nil {
		e.holder.Close(context.WithoutCancel(e.life))
	}
}
