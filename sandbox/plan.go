package sandbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// plan is the names and ports of a sandbox. Its addresses are those to dial.
type plan struct {
	host      string // to listen on: an address of this machine, or all of them
	control   string
	authority string
	outside   outsidePlan
	providers []*providerPlan
}

// providerPlan is one provider.
type providerPlan struct {
	name, short                          string // "Alfa PEC S.p.A.", "alfa"
	domains                              []string
	service                              string
	mailboxes                            []string
	smtp, submission, submissions, imaps string
	config, data, signingCert, dirCert   string // paths in the sandbox's directory
	signingKey, dirKey, tlsCert, tlsKey  string
	expiredCert, unlistedCert            string // of the signing key, for faults
	revokedCert                          string // the same
}

type outsidePlan struct {
	domain, mailbox, smtp, imaps string
}

// The offsets of the services from the base port (design.md 9).
const (
	offsetControl   = 0
	offsetAuthority = 1
	offsetProvider  = 10 // and 20
	offsetOutside   = 30
)

// port is a service's address to be set, and its offset from the base port.
type port struct {
	at     *string
	offset int
}

func newPlan(o Options) (*plan, error) {
	p := &plan{host: o.Host}
	ports := []port{{&p.control, offsetControl}, {&p.authority, offsetAuthority}, {&p.outside.smtp, offsetOutside}, {&p.outside.imaps, offsetOutside + 1}}
	for i, short := range []string{"alfa", "beta"} {
		pp := newProviderPlan(short, o.Mailboxes)
		p.providers = append(p.providers, pp)
		for j, at := range []*string{&pp.smtp, &pp.submission, &pp.submissions, &pp.imaps} {
			ports = append(ports, port{at, offsetProvider*(i+1) + j})
		}
	}
	p.outside.domain, p.outside.mailbox = "posta.test", "carla.neri@posta.test"
	if o.BasePort == 0 {
		return p, p.freePorts(ports)
	}
	p.setPorts(ports, o.BasePort)
	return p, nil
}

// dialled is the address of a port for who dials it: with all addresses to listen on, that is loopback.
func (p *plan) dialled(port int) string {
	host := p.host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// listened is the address to listen on for who dials an address.
func (p *plan) listened(dialled string) string {
	return net.JoinHostPort(p.host, dialled[strings.LastIndexByte(dialled, ':')+1:])
}

func (p *plan) listen(dialled, what string) (net.Listener, error) {
	l, err := net.Listen("tcp", p.listened(dialled))
	if noAddress(err) {
		return nil, fmt.Errorf("%s is no address of this machine: %w. Name another one with --host", p.host, err)
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("the port of %s cannot be opened: %w. A port under 1024 needs root; choose others with --base-port", what, err)
	}
	if err != nil {
		return nil, fmt.Errorf("the port of %s cannot be opened: %w. Stop what uses it, or choose others with --base-port", what, err)
	}
	return l, nil
}

// noAddress tells that a host cannot be listened on, whatever the port.
func noAddress(err error) bool {
	var unknown *net.DNSError
	return errors.As(err, &unknown) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// setPorts gives every service its port.
func (p *plan) setPorts(ports []port, base int) {
	for _, x := range ports {
		*x.at = p.dialled(base + x.offset)
	}
}

// freeRange is how far apart the base ports are that are chosen here: two sandboxes have all of their ports in common, or none, and
// the control port is held from the first moment on.
const freeRange = 40

// freePorts finds a base port all of whose ports are free. It looks below the ports that systems give to whoever asks for
// any one (RFC 6335 6; Linux begins at 32768), so that a port that is free now is so when its service opens.
func (p *plan) freePorts(ports []port) (err error) {
	for range 100 {
		p.setPorts(ports, 10_000+freeRange*rand.IntN(22_000/freeRange))
		if err = p.tryPorts(ports); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no free ports on %s: %w", p.host, err)
}

func (p *plan) tryPorts(ports []port) error {
	for _, x := range ports {
		l, err := net.Listen("tcp", p.listened(*x.at))
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func newProviderPlan(short string, mailboxes int) *providerPlan {
	title := map[string]string{"alfa": "Alfa", "beta": "Beta"}[short]
	second := map[string]string{"alfa": "comune", "beta": "studio"}[short]
	pp := &providerPlan{
		name: title + " PEC S.p.A.", short: short, domains: []string{"pec." + short + ".test", second + "." + short + ".test"},
		config: short + "/ceralacca.toml", data: short + "/data", signingCert: short + "/signing.pem", signingKey: short + "/signing.key",
		tlsCert: short + "/server.pem", tlsKey: short + "/server.key", dirCert: short + "/client.pem", dirKey: short + "/client.key",
		expiredCert: short + "/expired.pem", unlistedCert: short + "/unlisted.pem", revokedCert: short + "/revoked.pem",
	}
	pp.service = "ricevute@" + pp.domains[0]
	for i := range mailboxes {
		pp.mailboxes = append(pp.mailboxes, mailboxName(short, i)+"@"+pp.domains[i%2])
	}
	return pp
}

// mailboxName is the local part of a provider's n-th mailbox: people first, then numbers.
func mailboxName(short string, n int) string {
	people := map[string][]string{
		"alfa": {"mario.rossi", "protocollo", "anna.bianchi"},
		"beta": {"luigi.verdi", "segreteria", "giulia.russo"},
	}[short]
	if n < len(people) {
		return people[n]
	}
	return fmt.Sprintf("casella%d", n+1)
}

func (pp *providerPlan) signing() string { return "posta-certificata@" + pp.domains[0] }

// probe tells whether every port is free, before anything is written.
func (p *plan) probe() error {
	ports := map[string]string{"the outside SMTP server": p.outside.smtp, "the outside IMAP server": p.outside.imaps}
	for _, pp := range p.providers {
		ports[pp.name+" SMTP"], ports[pp.name+" submission"] = pp.smtp, pp.submission
		ports[pp.name+" submissions"], ports[pp.name+" IMAP"] = pp.submissions, pp.imaps
	}
	for what, address := range ports {
		l, err := p.listen(address, what)
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}
