package provider

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/dialect"
	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// material is what the files that the configuration names hold, checked.
type material struct {
	units           issuance.Units
	server          tls.Certificate
	directoryTLS    *tls.Config
	directorySigner *x509.Certificate
	anchors         *smime.Anchors
	relayRoots      *x509.CertPool
}

// load reads every file; all that is wrong is said at once.
func (c *Config) load(now time.Time) (*material, error) {
	m := &material{}
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	var units []*issuance.Unit
	for i := range c.Units {
		u, err := c.loadUnit(i, now)
		note(err)
		units = append(units, u)
	}
	var err error
	m.server, err = c.keyPair("tls", c.TLS.CertificateFile, c.TLS.KeyFile)
	note(err)
	client, err := c.keyPair("directory.client", c.Directory.CertificateFile, c.Directory.KeyFile)
	note(err)
	roots, err := c.pool("directory.ca_file", c.Directory.CAFile)
	note(err)
	m.directoryTLS = &tls.Config{Certificates: []tls.Certificate{client}, RootCAs: roots, MinVersion: tls.VersionTLS12}
	if signers, err := c.certificates("directory.signer_file", c.Directory.SignerFile); err != nil {
		note(err)
	} else {
		m.directorySigner = signers[0]
	}
	m.anchors, err = c.SigningRoots()
	note(err)
	m.relayRoots, err = c.relayPool()
	note(err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	m.units, err = c.together(units)
	return m, err
}

// together finds the first unit that does not go with those before it.
func (c *Config) together(units []*issuance.Unit) (us issuance.Units, err error) {
	for i := range units {
		if us, err = issuance.NewUnits(units[:i+1]...); err != nil {
			return nil, c.fault(fmt.Sprintf("units.%d", i), "%v: change it here", err)
		}
	}
	return us, nil
}

func (c *Config) relayPool() (*x509.CertPool, error) {
	if c.Relay.RootsFile != "" {
		return c.pool("relay.roots_file", c.Relay.RootsFile)
	}
	return x509.SystemCertPool()
}

func (c *Config) loadUnit(i int, now time.Time) (*issuance.Unit, error) {
	uc, key := c.Units[i], fmt.Sprintf("units.%d", i)
	entry := directory.Entry{Provider: c.Provider.Name, Unit: uc.Name}
	u := &issuance.Unit{
		Name: c.Provider.Name, Entry: entry.Key(), Address: pec.Address(uc.SigningAddress), Service: pec.Address(uc.ServiceMailbox), Node: c.Provider.Node,
	}
	for _, d := range uc.Domains {
		u.Domains = append(u.Domains, pec.Address("x@"+d).Domain())
	}
	var errs []error
	if uc.Dialect != "" {
		var err error
		u.Dialect, err = dialect.Named(uc.Dialect)
		errs = append(errs, err)
	}
	for j, k := range uc.Keys {
		loaded, err := c.loadKey(fmt.Sprintf("%s.keys.%d", key, j), k, u, now)
		errs = append(errs, err)
		u.Keys = append(u.Keys, loaded)
	}
	if err := errors.Join(errs...); err != nil {
		return u, err
	}
	if _, err := u.Certificate(now); err != nil {
		return u, c.fault(key+".keys", "%v: its first use ('from') or its certificate is later than now", err)
	}
	return u, nil
}

// loadKey reads a signing key and holds its certificate against the profile (norms.md 113-117).
func (c *Config) loadKey(key string, k KeyFiles, u *issuance.Unit, now time.Time) (issuance.Key, error) {
	chain, err := c.certificates(key+".certificate_file", k.CertificateFile)
	if err != nil {
		return issuance.Key{}, err
	}
	private, err := c.privateKey(key+".key_file", k.KeyFile)
	if err != nil {
		return issuance.Key{}, err
	}
	signer, err := smime.NewSigner(private, chain)
	if err != nil {
		return issuance.Key{}, c.fault(key+".key_file", "%v: name the key that belongs to %s", err, k.CertificateFile)
	}
	if err := directory.CheckProfile(chain[0], u.Name, string(u.Address)); err != nil {
		return issuance.Key{}, c.fault(key+".certificate_file", "%v: ask for a certificate with the profile of RFC 6109 5.5", err)
	}
	if now.After(chain[0].NotAfter) {
		return issuance.Key{}, c.fault(key+".certificate_file", "the certificate expired on %s: renew it", chain[0].NotAfter.Format(time.DateOnly))
	}
	from := k.From
	if from.IsZero() {
		from = chain[0].NotBefore
	}
	return issuance.Key{Signer: signer, From: from, Private: private, Chain: chain}, nil
}

func (c *Config) keyPair(key, certificate, private string) (tls.Certificate, error) {
	prefix := key + keySuffix(key)
	if _, err := c.certificates(prefix+"certificate_file", certificate); err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.LoadX509KeyPair(c.Path(certificate), c.Path(private))
	if err != nil {
		return pair, c.fault(prefix+"key_file", "%v: name the key that belongs to %s", err, certificate)
	}
	return pair, nil
}

// keySuffix joins a prefix to key_file: "tls." but "directory.client_".
func keySuffix(key string) string {
	if key == "directory.client" {
		return "_"
	}
	return "."
}

func (c *Config) pool(key, path string) (*x509.CertPool, error) {
	certs, err := c.certificates(key, path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool, nil
}

func (c *Config) certificates(key, path string) ([]*x509.Certificate, error) {
	rest, err := os.ReadFile(c.Path(path))
	if err != nil {
		return nil, c.unreadable(key, err)
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, c.fault(key, "%s holds a certificate that cannot be read: %v", path, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, c.fault(key, "%s holds no certificate in PEM form", path)
	}
	return certs, nil
}

func (c *Config) privateKey(key, path string) (crypto.Signer, error) {
	octets, err := os.ReadFile(c.Path(path))
	if err != nil {
		return nil, c.unreadable(key, err)
	}
	var block *pem.Block
	for rest := octets; block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY"); {
		if block, rest = pem.Decode(rest); block == nil {
			return nil, c.fault(key, "%s holds no private key in PEM form", path)
		}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil && block.Type == "RSA PRIVATE KEY" {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, c.fault(key, "%s holds no key that can be read: %v", path, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, c.fault(key, "%s holds a key that cannot sign", path)
	}
	return signer, nil
}

// SigningRoots are the anchors that providers' signing certificates lead to.
func (c *Config) SigningRoots() (*smime.Anchors, error) {
	certs, err := c.certificates("directory.signing_roots_file", c.Directory.RootsFile)
	if err != nil {
		return nil, err
	}
	return smime.NewAnchors(certs...), nil
}
