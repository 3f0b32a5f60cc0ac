package sandbox

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/ceralacca/ceralacca/authority"
	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// The files of a sandbox's directory besides the providers'.
const (
	markerName   = "ceralacca-sandbox" // "1": complete; "making": a start that was cut short
	lockName     = "lock"
	contractName = "sandbox.json"
	clockName    = "clock"
	caName       = "ca.pem"
	caKeyName    = "ca.key"
	signerName   = "authority/directory-signer.pem"
	signerKey    = "authority/directory-signer.key"
	serverName   = "authority/server.pem"
	serverKey    = "authority/server.key"
	clientName   = "client.pem"
	clientKey    = "client.key"
	outsideCert  = "outside/server.pem"
	outsideKey   = "outside/server.key"
	outsideData  = "outside/data"
)

const (
	markerComplete = "1\n"
	markerMaking   = "making\n"
)

// refuseForeign refuses a directory that holds something but is no sandbox's.
func refuseForeign(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the directory cannot be read: %w. Name another one with --dir", err)
	}
	for _, n := range names {
		if n.Name() != lockName && n.Name() != markerName {
			if _, err := os.Stat(filepath.Join(dir, markerName)); err != nil {
				return fmt.Errorf("%s is no sandbox's directory (it holds %s): name an empty or new one with --dir", dir, n.Name())
			}
			return nil
		}
	}
	return nil
}

// empty removes all but the lock, the marker last: if it is cut short the directory is still a sandbox's.
func empty(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n.Name() == lockName || n.Name() == markerName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, n.Name())); err != nil {
			return fmt.Errorf("emptying the directory: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(dir, markerName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("emptying the directory: %w", err)
	}
	return nil
}

// material is what the authority's files hold.
type material struct {
	dir    string
	ca     *authority.CA
	server tls.Certificate
	signer *smime.Signer
}

// prepare makes keys and certificates in a new directory, writes the configurations, and reads what it needs.
func prepare(o Options, p *plan, now time.Time) (*material, error) {
	dir := o.Dir
	marker, err := os.ReadFile(filepath.Join(dir, markerName))
	if errors.Is(err, os.ErrNotExist) {
		marker, err = []byte(markerMaking), nil
	}
	if err != nil {
		return nil, err
	}
	switch string(marker) {
	case markerMaking:
		err = makeFiles(dir, p, now)
	case markerComplete:
		err = checkFiles(dir, p)
	default:
		err = fmt.Errorf("the sandbox in %s is damaged, or another version's: %s holds %.20q. Put it back, or begin anew with --fresh", dir, markerName, marker)
	}
	if err != nil {
		return nil, err
	}
	m, err := loadMaterial(dir)
	if err != nil {
		return nil, err
	}
	for _, pp := range p.providers {
		if err := errors.Join(makeForgeable(dir, p, pp), writeConfig(o, p, pp)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// maker writes files until the first error.
type maker struct {
	dir string
	err error
}

func (m *maker) write(name string, octets []byte, err error) {
	if m.err != nil {
		return
	}
	path := filepath.Join(m.dir, name)
	if m.err = err; m.err == nil {
		m.err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if m.err == nil {
		m.err = store.WriteFile(path, octets)
	}
}

func (m *maker) pair(cert, key string, certPEM, keyPEM []byte, err error) {
	m.write(cert, certPEM, err)
	m.write(key, keyPEM, err)
}

func makeFiles(dir string, p *plan, now time.Time) error {
	m := &maker{dir: dir}
	m.write(markerName, []byte(markerMaking), nil)
	from := now.Add(-time.Hour)
	ca, err := authority.NewCA("Ceralacca sandbox, for tests only", from)
	if err != nil {
		return err
	}
	m.write(caName, ca.CertificatePEM(), nil)
	key, err := ca.KeyPEM()
	m.write(caKeyName, key, err)
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if ip := net.ParseIP(p.host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		ips = append(ips, ip)
	}
	serve := func(cert, key string, names ...string) {
		c, k, err := ca.IssueServer(append(names, "localhost"), ips, from)
		m.pair(cert, key, c, k, err)
	}
	serve(serverName, serverKey, "authority.test")
	serve(outsideCert, outsideKey, "mx."+p.outside.domain)
	c, k, err := ca.IssueProvider(authority.ProviderRequest{Provider: "Ceralacca sandbox authority", Address: "authority@authority.test", At: from})
	m.pair(signerName, signerKey, c, k, err)
	c, k, err = ca.IssueClient("A client of the sandbox's authority", from)
	m.pair(clientName, clientKey, c, k, err)
	for _, pp := range p.providers {
		serve(pp.tlsCert, pp.tlsKey, "mx."+pp.domains[0], "mx."+pp.domains[1])
		c, k, err := ca.IssueProvider(authority.ProviderRequest{Provider: pp.name, Address: pp.signing(), At: from, CRLs: []string{p.crlURL()}})
		m.pair(pp.signingCert, pp.signingKey, c, k, err)
		c, k, err = ca.IssueClient(pp.name, from)
		m.pair(pp.dirCert, pp.dirKey, c, k, err)
	}
	m.write(markerName, []byte(markerComplete), nil)
	if m.err != nil {
		return fmt.Errorf("making the sandbox's keys and certificates: %w", m.err)
	}
	return nil
}

// checkFiles refuses a directory from which something is missing.
func checkFiles(dir string, p *plan) error {
	names := []string{caName, caKeyName, signerName, signerKey, serverName, serverKey, clientName, clientKey, outsideCert, outsideKey}
	for _, pp := range p.providers {
		names = append(names, pp.tlsCert, pp.tlsKey, pp.signingCert, pp.signingKey, pp.dirCert, pp.dirKey)
	}
	for _, n := range names {
		if _, err := os.Stat(filepath.Join(dir, n)); err != nil {
			return fmt.Errorf("the sandbox in %s is damaged: %s is missing. Put it back, or begin anew with --fresh", dir, n)
		}
	}
	return nil
}

func loadMaterial(dir string) (*material, error) {
	damaged := func(name string, err error) error {
		return fmt.Errorf("the sandbox in %s is damaged: %s: %w. Put the file back, or begin anew with --fresh", dir, name, err)
	}
	m := &material{dir: dir}
	var err error
	if m.ca, err = loadCA(dir); err != nil {
		return nil, damaged(caName, err)
	}
	if m.server, err = tls.LoadX509KeyPair(filepath.Join(dir, serverName), filepath.Join(dir, serverKey)); err != nil {
		return nil, damaged(serverName, err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, signerName), filepath.Join(dir, signerKey))
	if err != nil {
		return nil, damaged(signerName, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, damaged(signerKey, errors.New("the key cannot sign"))
	}
	m.signer, err = smime.NewSigner(key, []*x509.Certificate{pair.Leaf})
	if err != nil {
		return nil, damaged(signerName, err)
	}
	return m, nil
}

func readCertificate(path string) (*x509.Certificate, error) {
	octets, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(octets)
	if block == nil {
		return nil, errors.New("it holds no certificate in PEM form")
	}
	return x509.ParseCertificate(block.Bytes)
}

func (m *material) authorityTLS(now func() time.Time) *tls.Config {
	return authority.ServerTLS(m.server, m.ca.Certificate(), now)
}

// publisher serves the signed directory of both providers.
func (m *material) publisher(p *plan, now func() time.Time) (*authority.Publisher, error) {
	var entries []*directory.Entry
	for _, pp := range p.providers {
		var certs []*x509.Certificate
		for _, name := range []string{pp.signingCert, pp.expiredCert, pp.revokedCert} {
			cert, err := readCertificate(filepath.Join(m.dir, name))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			certs = append(certs, cert)
		}
		entries = append(entries, &directory.Entry{
			Provider: pp.name, Certificates: certs, ServiceMailbox: pp.service, Domains: pp.domains,
			LDIFURL: p.ldifURL(), Description: "sandbox, for tests only",
		})
	}
	return authority.NewPublisher(m.signer, entries, p.ldifURL(), now)
}

func (p *plan) ldifURL() string { return "https://" + p.authority + "/igpec.ldif.p7m" }

var configTemplate = template.Must(template.New("config").Parse(`# Written by the sandbox at every start: changes are lost.
# With the sandbox stopped this provider runs alone under: ceralacca serve -c FILE
data_dir = "data"
sandbox = true
clock_file = "../clock"
{{with .Database}}
[store]
database = "{{.}}"
{{end}}
[provider]
name = "{{.P.Name}}"
hostname = "mx.{{index .P.Domains 0}}"
node = "{{.P.Short}}"

[[units]]
signing_address = "{{.P.Signing}}"
service_mailbox = "{{.P.Service}}"
domains = ["{{index .P.Domains 0}}", "{{index .P.Domains 1}}"]
{{with .P.Dialect}}dialect = "{{.}}"
{{end}}
[[units.keys]]
certificate_file = "signing.pem"
key_file = "signing.key"

[listen]
smtp = "{{.P.SMTP}}"
submission = "{{.P.Submission}}"
submissions = "{{.P.Submissions}}"
imaps = "{{.P.IMAPS}}"

[tls]
certificate_file = "server.pem"
key_file = "server.key"

[directory]
url = "{{.URL}}"
ca_file = "../ca.pem"
client_certificate_file = "client.pem"
client_key_file = "client.key"
signer_file = "../authority/directory-signer.pem"
signing_roots_file = "../ca.pem"

[revocation]
urls = ["{{.CRL}}"]
private_networks = true

[relay]
roots_file = "../ca.pem"
timeout = "5s"
{{range .Routes}}
[[relay.routes]]
domain = "{{.Domain}}"
address = "{{.Address}}"
tls_name = "{{.Name}}"
{{end}}
[limits]
disk_reserve = 67108864
`))

// configData is what the template shows.
type configData struct {
	P        configProvider
	URL      string
	CRL      string
	Database string
	Routes   []configRoute
}

type configProvider struct {
	Name, Short, Signing, Service, SMTP, Submission, Submissions, IMAPS string
	Domains                                                             []string
	Dialect                                                             string
}

type configRoute struct{ Domain, Address, Name string }

func writeConfig(o Options, p *plan, pp *providerPlan) error {
	database, err := o.database(pp.short)
	if err != nil {
		return err
	}
	d := configData{URL: p.ldifURL(), CRL: p.crlURL(), Database: database, P: configProvider{
		pp.name, pp.short, pp.signing(), pp.service,
		p.listened(pp.smtp), p.listened(pp.submission), p.listened(pp.submissions), p.listened(pp.imaps), pp.domains, "",
	}}
	if pp.short == "beta" {
		d.P.Dialect = o.BetaAs
	}
	for _, other := range p.providers {
		if other == pp {
			continue
		}
		for _, domain := range other.domains {
			d.Routes = append(d.Routes, configRoute{domain, other.smtp, "mx." + other.domains[0]})
		}
	}
	d.Routes = append(d.Routes, configRoute{"*", p.outside.smtp, "mx." + p.outside.domain})
	var b bytes.Buffer
	if err := configTemplate.Execute(&b, d); err != nil {
		return err
	}
	return store.WriteFile(filepath.Join(o.Dir, pp.config), b.Bytes())
}
