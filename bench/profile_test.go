package bench

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/sandbox"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

var profile = flag.String("profile", "", "write a CPU profile of the exchanges of BenchmarkExchange to this file")

// BenchmarkExchange runs the sandbox inside this process, so that the Go profilers see it. It is no measure: the clients
// are in its times and allocations, a PostgreSQL is not (CERALACCA_ENGINE=postgres, and CERALACCA_POSTGRES names its URL). In the
// profile, which leaves out start and stop, the clients have a label:
//
//	go test -run '^$' -bench Exchange -benchtime 2000x -o bench.test ./bench -profile cpu.out
//	go tool pprof -top -cum -tagignore side=client bench.test cpu.out
func BenchmarkExchange(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	dir := b.TempDir()
	database := postgrestest.Database(b)
	s, err := sandbox.Open(ctx, sandbox.Options{
		Dir: dir, Database: database, Mailboxes: fullSizes().connections, Host: "127.0.0.1", Log: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) },
	})
	if err != nil {
		b.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
	defer func() {
		cancel()
		if err := errors.Join(<-ended, s.Close(), sandbox.Discard(context.WithoutCancel(ctx), dir, database)); err != nil {
			b.Error(err)
		}
	}()
	select {
	case <-ready:
	case <-time.After(startTime):
		b.Fatal("the sandbox is not ready")
	}
	pprof.Do(ctx, pprof.Labels("side", "client"), func(ctx context.Context) {
		l, err := openLoad(ctx, dir, s.Contract())
		if err != nil {
			b.Fatal(err)
		}
		defer l.close()
		if err := l.warm(ctx, fullSizes().warmUp); err != nil {
			b.Fatal(err)
		}
		stop := startProfile(b)
		b.ReportAllocs()
		b.ResetTimer()
		if _, err := l.exchange(ctx, b.N, time.Hour, l.overKept); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stop()
	})
}

// startProfile begins the profile if one is asked for. stop ends it.
func startProfile(b *testing.B) (stop func()) {
	if *profile == "" {
		return func() {}
	}
	f, err := os.Create(*profile)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			b.Error(err)
		}
	}
}
