package imapd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/store"
)

// Config says what a Server serves and within which bounds.
type Config struct {
	// Store holds the mailboxes.
	Store *store.Store
	// TLS is the server's side of TLS. If it names no application protocols, only clients that offer "imap" or nothing are
	// served, so that no browser can be led here (attacks.md 8).
	TLS *tls.Config
	// MaxAppend is the largest message that APPEND takes, in octets, inclusive; below 4 GiB (RFC 7889).
	MaxAppend int64
	// MaxConnections bounds the connections open at once. 0 means 1000. Beyond it those on which nobody has logged in give way
	// (admission.Hosts).
	MaxConnections int
	// MaxPerHost bounds the connections from one IPv4 address or one IPv6 /64 network. 0 means 100.
	MaxPerHost int
	// Logins slows the guessing of passwords; servers that share it share what they know. nil means one of its own.
	Logins *admission.Logins
	// Handshakes is where the signatures of TLS handshakes wait (admission.GuardTLS). nil means a gate of its own.
	Handshakes *admission.Gate
	// Reserve is how many octets of the disk must be free before a client may change something; it may read at any time. A
	// write that finds no room would end the process (design.md 4). 0 means none.
	Reserve int64
	// Log gets log-ins, refusals and failures, never passwords or contents. nil means nowhere.
	Log *slog.Logger
	// Grace is what commands under way get when Serve is told to stop. 0 means 10 seconds.
	Grace time.Duration
}

const (
	defaultConnections = 1000
	defaultPerHost     = 100
	defaultGrace       = 10 * time.Second
	failureDelay       = time.Second
	maxPerMailbox      = 20 // sessions, each of which may hold the view of a folder
)

// Server serves IMAP on any number of listeners, which share its limits.
type Server struct {
	config Config
	hosts  *admission.Hosts
	delay  time.Duration // a failed log-in is answered no sooner than this after it was judged
}

// New checks the configuration.
func New(config Config) (*Server, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("imapd: %w", err)
	}
	config = config.withDefaults()
	return &Server{config: config, delay: failureDelay, hosts: admission.NewHosts(admission.HostsConfig{
		Connections: config.MaxConnections, PerNetwork: config.MaxPerHost, PerAccount: maxPerMailbox, Log: config.Log,
	})}, nil
}

func (c Config) check() error {
	switch {
	case c.Store == nil:
		return errors.New("a store is needed")
	case c.TLS == nil || len(c.TLS.Certificates) == 0 && c.TLS.GetCertificate == nil && c.TLS.GetConfigForClient == nil:
		return errors.New("a TLS configuration with a certificate is needed")
	case c.MaxAppend <= 0 || c.MaxAppend > math.MaxUint32:
		return fmt.Errorf("MaxAppend %d is not between 1 and %d", c.MaxAppend, uint32(math.MaxUint32))
	case c.MaxConnections < 0 || c.MaxPerHost < 0 || c.Grace < 0:
		return errors.New("a limit is negative")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultConnections
	}
	if c.MaxPerHost == 0 {
		c.MaxPerHost = defaultPerHost
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Logins == nil {
		c.Logins = admission.NewLogins(admission.LoginsConfig{Log: c.Log})
	}
	if c.Handshakes == nil {
		c.Handshakes = admission.NewHandshakes()
	}
	c.TLS = admission.GuardTLS(c.TLS, c.Handshakes)
	if len(c.TLS.NextProtos) == 0 {
		c.TLS.NextProtos = []string{alpn}
	}
	return c
}

// alpn is the protocol's name inside TLS (RFC 7301).
const alpn = "imap"
