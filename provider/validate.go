package provider

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/dialect"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// validate finds what can be told wrong without opening anything but the files that are named: all the faults at once.
func (c *Config) validate() error {
	var faults []error
	add := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if c.Store.Database != "" {
		if err := store.CheckDatabase(c.Store.Database); err != nil {
			add(c.fault("store.database", "%v", err))
		}
	}
	add(c.required("provider.name", c.Provider.Name, "the provider's name as in the directory"))
	if _, err := pec.ParseAddress("x@" + c.Provider.Hostname); err != nil {
		add(c.fault("provider.hostname", "%q is no name of a machine in SMTP, such as \"mx.pec.example\"", c.Provider.Hostname))
	}
	if len(c.Units) == 0 {
		add(c.fault("units", "there is none: add a [[units]] table with the signing address, domains and keys"))
	}
	for i, u := range c.Units {
		faults = append(faults, c.validateUnit(fmt.Sprintf("units.%d", i), u)...)
	}
	faults = append(faults, c.validateListen()...)
	add(c.existing("tls.certificate_file", c.TLS.CertificateFile))
	add(c.existing("tls.key_file", c.TLS.KeyFile))
	faults = append(faults, c.validateDirectory()...)
	faults = append(faults, c.validateRevocation()...)
	faults = append(faults, c.validateRelay()...)
	faults = append(faults, c.validatePolicies()...)
	faults = append(faults, c.validateLimits()...)
	if c.ClockFile != "" && !c.Sandbox {
		add(c.fault("clock_file", "a clock file is honoured only with sandbox = true: remove it"))
	}
	if strings.Trim(c.Provider.Node, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		add(c.fault("provider.node", "%q has other characters than letters and digits", c.Provider.Node))
	}
	return errors.Join(faults...)
}

func (c *Config) validateUnit(key string, u UnitConfig) []error {
	var faults []error
	add := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	for _, a := range []service{{"signing_address", u.SigningAddress}, {"service_mailbox", u.ServiceMailbox}} {
		if _, err := pec.ParseAddress(a.address); err != nil {
			add(c.fault(key+"."+a.name, "%q is no address: %v", a.address, err))
		}
	}
	if len(u.Domains) == 0 {
		add(c.fault(key+".domains", "there is none: name the domains of its mailboxes, that of the service mailbox among them"))
	}
	for _, d := range u.Domains {
		if _, err := pec.ParseAddress("x@" + d); err != nil {
			add(c.fault(key+".domains", "%q is no domain: %v", d, err))
		}
	}
	if service := pec.Address(u.ServiceMailbox).Domain(); service != "" && !slices.ContainsFunc(u.Domains, func(d string) bool { return strings.EqualFold(d, service) }) {
		add(c.fault(key+".service_mailbox", "its domain %s is not in domains: add it there", service))
	}
	if _, err := dialect.Named(u.Dialect); u.Dialect != "" && err != nil {
		add(c.fault(key+".dialect", "%v", err))
	}
	if u.Dialect != "" && !c.Sandbox {
		add(c.fault(key+".dialect", "another engine's way is for tests, only with sandbox = true: remove it"))
	}
	if len(u.Keys) == 0 {
		add(c.fault(key+".keys", "there is none: name a certificate_file and a key_file"))
	}
	for j, k := range u.Keys {
		add(c.existing(fmt.Sprintf("%s.keys.%d.certificate_file", key, j), k.CertificateFile))
		add(c.existing(fmt.Sprintf("%s.keys.%d.key_file", key, j), k.KeyFile))
	}
	return faults
}

// validatePolicies looks at what is said of ordinary mail and of receipts.
func (c *Config) validatePolicies() []error {
	var faults []error
	policies := []DomainPolicy{{Policy: c.Ordinary.Policy}}
	keys := []string{"ordinary.policy"}
	for i, d := range c.Ordinary.Domains {
		key := fmt.Sprintf("ordinary.domains.%d", i)
		policies, keys = append(policies, d), append(keys, key+".policy")
		if !slices.ContainsFunc(c.Units, func(u UnitConfig) bool {
			return slices.ContainsFunc(u.Domains, func(ours string) bool { return strings.EqualFold(ours, d.Domain) })
		}) {
			faults = append(faults, c.fault(key+".domain", "%q is in no unit's domains: correct it, or add it there", d.Domain))
		}
	}
	for i, p := range policies {
		if o := store.Ordinary(p.Policy); o != store.OrdinaryRefuse && o != store.OrdinaryAnomaly {
			faults = append(faults, c.fault(keys[i], "%q is no policy: choose \"refuse\" or \"anomaly\"", p.Policy))
		}
	}
	if h := c.Receipts.BriefHash; h != "sha1" && h != "sha256" {
		faults = append(faults, c.fault("receipts.brief_hash", "%q is none of \"sha1\" and \"sha256\"", h))
	}
	return faults
}

func (c *Config) validateListen() []error {
	var faults []error
	used := map[string]string{}
	for _, s := range c.Listen.services() {
		if s.address == "" {
			continue
		}
		host, port, err := net.SplitHostPort(s.address)
		if n, nerr := strconv.Atoi(port); err != nil || nerr != nil || n < 0 || n > 65535 {
			faults = append(faults, c.fault("listen."+s.name, "%q is no address such as \"127.0.0.1:25\"", s.address))
			continue
		}
		if other := used[s.address]; other != "" && port != "0" {
			faults = append(faults, c.fault("listen."+s.name, "%s is taken by listen.%s: choose another port", net.JoinHostPort(host, port), other))
		}
		used[s.address] = s.name
	}
	if len(used) == 0 {
		faults = append(faults, c.fault("listen", "no service is named: give smtp, submissions and imaps an address"))
	}
	return faults
}

// service is one way in.
type service struct{ name, address string }

func (l ListenConfig) services() []service {
	return []service{{"smtp", l.SMTP}, {"submission", l.Submission}, {"submissions", l.Submissions}, {"imaps", l.IMAPS}}
}

func (c *Config) validateDirectory() []error {
	var faults []error
	d := c.Directory
	if !strings.HasPrefix(d.URL, "https://") {
		faults = append(faults, c.fault("directory.url", "%q is no https address: name where the signed directory (.ldif.p7m) is", d.URL))
	}
	if err := c.period("directory.refresh", d.Refresh); err != nil {
		faults = append(faults, err)
	}
	for _, f := range []service{
		{"ca_file", d.CAFile}, {"client_certificate_file", d.CertificateFile}, {"client_key_file", d.KeyFile},
		{"signer_file", d.SignerFile}, {"signing_roots_file", d.RootsFile},
	} {
		if err := c.existing("directory."+f.name, f.address); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}

func (c *Config) validateRelay() []error {
	var faults []error
	if c.Relay.RootsFile != "" {
		if err := c.existing("relay.roots_file", c.Relay.RootsFile); err != nil {
			faults = append(faults, err)
		}
	}
	if err := c.period("relay.timeout", c.Relay.Timeout); err != nil {
		faults = append(faults, err)
	}
	known := map[string]bool{}
	for i, r := range c.Relay.Routes {
		key := fmt.Sprintf("relay.routes.%d", i)
		if domain := strings.ToLower(r.Domain); known[domain] {
			faults = append(faults, c.fault(key+".domain", "%s has a route already: remove one", r.Domain))
		} else {
			known[domain] = true
		}
		if _, _, err := net.SplitHostPort(r.Address); err != nil || r.Domain == "" {
			faults = append(faults, c.fault(key, "a route has a domain and an address such as \"mx.example:25\""))
		}
	}
	return faults
}

// validateLimits: what the law always asks for must pass (norms.md 10, 11; design.md 5).
func (c *Config) validateLimits() []error {
	var faults []error
	l := c.Limits
	for _, n := range []struct {
		name         string
		value, least int64
	}{
		{"recipients", int64(l.Recipients), 50}, {"product", l.Product, 30_000_000}, {"message", l.Message, 30_000_000},
		{"service_mailbox_days", int64(l.ServiceMailbox), 1}, {"disk_reserve", l.Reserve, 0},
	} {
		if n.value < n.least {
			faults = append(faults, c.fault("limits."+n.name, "%d is too low: it must be %d at least", n.value, n.least))
		}
	}
	// A message to as many recipients as are allowed must pass.
	if n, least := *l.Signatures, l.Recipients+2; n != 0 && n < least {
		faults = append(faults, c.fault("limits.signatures_per_hour", "%d is too low: it must be %d at least, two more than recipients, or 0 for no limit", n, least))
	}
	return faults
}

func (c *Config) required(key, value, meaning string) error {
	if value == "" {
		return c.fault(key, "it is missing: %s", meaning)
	}
	return nil
}

func (c *Config) period(key, text string) error {
	if d, err := time.ParseDuration(text); text != "" && (err != nil || d <= 0) {
		return c.fault(key, "%q is no duration such as \"24h\" or \"5s\"", text)
	}
	return nil
}

// duration is the value of what period has found right; empty is zero.
func duration(text string) time.Duration {
	d, _ := time.ParseDuration(text)
	return d
}

func (c *Config) existing(key, path string) error {
	if path == "" {
		return c.fault(key, "it is missing: name a PEM file")
	}
	f, err := os.Open(c.Path(path))
	if err != nil {
		return c.unreadable(key, err)
	}
	return f.Close()
}

func (c *Config) unreadable(key string, err error) error {
	return c.fault(key, "the file cannot be read: %v. Put it there, or name another one", err)
}
