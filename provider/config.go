package provider

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Config is a provider's configuration file. example.toml says what each field means; paths are relative to the file.
type Config struct {
	DataDir    string           `toml:"data_dir"`
	Sandbox    bool             `toml:"sandbox"`
	ClockFile  string           `toml:"clock_file"`
	Store      StoreConfig      `toml:"store"`
	Provider   ProviderConfig   `toml:"provider"`
	Units      []UnitConfig     `toml:"units"`
	Listen     ListenConfig     `toml:"listen"`
	TLS        KeyFiles         `toml:"tls"`
	Directory  DirectoryConfig  `toml:"directory"`
	Revocation RevocationConfig `toml:"revocation"`
	Relay      RelayConfig      `toml:"relay"`
	Ordinary   OrdinaryConfig   `toml:"ordinary"`
	Receipts   ReceiptsConfig   `toml:"receipts"`
	Limits     LimitsConfig     `toml:"limits"`

	file  string
	lines map[string]int
}

// StoreConfig says where the data are: an empty Database means in DataDir (store.Options).
type StoreConfig struct {
	Database string `toml:"database"`
}

// StoreOptions are those of the store that the configuration names; Log, Fatal and the like are the caller's to add.
func (c *Config) StoreOptions(clock *Clock) store.Options {
	return store.Options{Dir: c.Path(c.DataDir), Database: c.Store.Database, Now: clock.Now, Jumped: clock.Jumped}
}

// ProviderConfig names the provider.
type ProviderConfig struct {
	Name     string `toml:"name"`
	Hostname string `toml:"hostname"`
	Node     string `toml:"node"`
}

// UnitConfig is an operating environment: the first is the main one (RFC 6109 4.5.7).
type UnitConfig struct {
	Name           string     `toml:"name"`
	SigningAddress string     `toml:"signing_address"`
	ServiceMailbox string     `toml:"service_mailbox"`
	Domains        []string   `toml:"domains"`
	Keys           []KeyFiles `toml:"keys"`
	Dialect        string     `toml:"dialect"` // of another engine; of a sandbox only (package dialect)
}

// KeyFiles are a certificate, with its chain behind it, and its key, both PEM.
type KeyFiles struct {
	CertificateFile string    `toml:"certificate_file"`
	KeyFile         string    `toml:"key_file"`
	From            time.Time `toml:"from"`
}

// ListenConfig is where the services listen; an empty one is not offered.
type ListenConfig struct {
	SMTP        string `toml:"smtp"`
	Submission  string `toml:"submission"`
	Submissions string `toml:"submissions"`
	IMAPS       string `toml:"imaps"`
}

// DirectoryConfig is where the signed directory of providers comes from, and what it is checked with.
type DirectoryConfig struct {
	URL             string `toml:"url"`
	CAFile          string `toml:"ca_file"`
	CertificateFile string `toml:"client_certificate_file"`
	KeyFile         string `toml:"client_key_file"`
	SignerFile      string `toml:"signer_file"`
	RootsFile       string `toml:"signing_roots_file"`
	Refresh         string `toml:"refresh"` // such as "24h"
}

// RelayConfig is how mail leaves.
type RelayConfig struct {
	RootsFile string        `toml:"roots_file"`
	Timeout   string        `toml:"timeout"` // such as "5s"; empty means the usual ones
	Routes    []RouteConfig `toml:"routes"`
}

// RouteConfig is a fixed way for a domain; "*" is every domain that is not certified and has no route of its own.
type RouteConfig struct {
	Domain  string `toml:"domain"`
	Address string `toml:"address"`
	TLSName string `toml:"tls_name"`
}

// OrdinaryConfig says what becomes of mail that no PEC provider signed: "refuse" or "anomaly". A mailbox may have a policy of its own.
type OrdinaryConfig struct {
	Policy  string         `toml:"policy"`
	Domains []DomainPolicy `toml:"domains"`
}

// DomainPolicy is the policy of one domain.
type DomainPolicy struct {
	Domain string `toml:"domain"`
	Policy string `toml:"policy"`
}

// policy is that of a domain.
func (o OrdinaryConfig) policy(domain string) store.Ordinary {
	for _, d := range o.Domains {
		if strings.EqualFold(d.Domain, domain) {
			return store.Ordinary(d.Policy)
		}
	}
	return store.Ordinary(o.Policy)
}

// ReceiptsConfig is how receipts are made.
type ReceiptsConfig struct {
	BriefHash string `toml:"brief_hash"` // "sha1", the written rule (RFC 6109 3.3.2.2), or "sha256"
}

// LimitsConfig are the limits of design.md 5; zero means the default.
type LimitsConfig struct {
	Recipients     int   `toml:"recipients"`
	Product        int64 `toml:"product"`
	Message        int64 `toml:"message"`
	Reserve        int64 `toml:"disk_reserve"`
	ServiceMailbox int   `toml:"service_mailbox_days"`
	AllowSHA1      *bool `toml:"allow_sha1"`
	Signatures     *int  `toml:"signatures_per_hour"` // that a mailbox may cause; 0 is without limit
}

// defaultSignatures lets a mailbox send some 6,600 messages an hour to one recipient each, or 39 to 500.
const defaultSignatures = 20_000

//go:embed example.toml
var example []byte

// Example is a complete configuration with every field explained.
func Example() []byte { return bytes.Clone(example) }

// Fault is one thing that is wrong in a configuration, with its place and its cure.
type Fault struct {
	File string
	Line int // 0 if there is no one line
	What string
}

func (f Fault) Error() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.What)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.What)
}

// LoadConfig reads a configuration strictly: an unknown key, a wrong type or a missing field is a Fault.
func LoadConfig(path string) (*Config, error) {
	octets, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	c := &Config{file: path}
	d := toml.NewDecoder(bytes.NewReader(octets)).DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, decodeFault(path, err)
	}
	c.lines = keyLines(octets)
	c.setDefaults()
	return c, c.validate()
}

func decodeFault(path string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var faults []error
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			faults = append(faults, Fault{path, line, fmt.Sprintf("unknown key %q: remove it, or look up its spelling with 'ceralacca config example'", joinKey(e.Key()))})
		}
		return errors.Join(faults...)
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, _ := wrong.Position()
		what := wrong.Error()
		if key := joinKey(wrong.Key()); key != "" {
			what = fmt.Sprintf("%s: %s", key, what)
		}
		return Fault{path, line, what + ": correct the value; 'ceralacca config example' shows the right form"}
	}
	return Fault{path, 0, err.Error()}
}

func (c *Config) setDefaults() {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&c.DataDir, "data")
	set(&c.Provider.Node, "1")
	set(&c.Directory.Refresh, "24h")
	set(&c.Revocation.Policy, revocationAccept)
	set(&c.Revocation.MaxAge, "48h")
	set(&c.Ordinary.Policy, string(store.OrdinaryRefuse))
	set(&c.Receipts.BriefHash, "sha1")
	l := &c.Limits
	for _, n := range []struct {
		at *int64
		v  int64
	}{{&l.Product, pec.DefaultLimits().Product}, {&l.Message, 100_000_000}, {&l.Reserve, 256 << 20}} {
		if *n.at == 0 {
			*n.at = n.v
		}
	}
	if l.Recipients == 0 {
		l.Recipients = pec.DefaultLimits().Recipients
	}
	if l.ServiceMailbox == 0 {
		l.ServiceMailbox = 7
	}
	if l.AllowSHA1 == nil {
		allow := true
		l.AllowSHA1 = &allow
	}
	if l.Signatures == nil {
		perHour := defaultSignatures
		if c.Sandbox {
			perHour = 0 // tests send what no holder does
		}
		l.Signatures = &perHour
	}
}

// Path is a path of the configuration, relative to its file.
func (c *Config) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(c.file), p)
}

// fault is a Fault at the line of a key, such as "units.0.keys.1.key_file"; if it is not there, at the next one around it.
func (c *Config) fault(key, format string, args ...any) error {
	line := 0
	for k := key; k != "" && line == 0; k = parentKey(k) {
		line = c.lines[k]
	}
	return Fault{c.file, line, key + ": " + fmt.Sprintf(format, args...)}
}
