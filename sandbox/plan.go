package sandbox

import (
	"fmt"
	"net"
	"strconv"
)

// plan is the names and ports of a sandbox.
type plan struct {
	host      string
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

func newPlan(o Options) (*plan, error) {
	p := &plan{host: o.Host}
	next := func(offset int) (string, error) { return address(o, offset) }
	outs := []struct {
		at     *string
		offset int
	}{{&p.control, offsetControl}, {&p.authority, offsetAuthority}, {&p.outside.smtp, offsetOutside}, {&p.outside.imaps, offsetOutside + 1}}
	for i, short := range []string{"alfa", "beta"} {
		pp := newProviderPlan(short, o.Mailboxes)
		p.providers = append(p.providers, pp)
		for j, at := range []*string{&pp.smtp, &pp.submission, &pp.submissions, &pp.imaps} {
			outs = append(outs, struct {
				at     *string
				offset int
			}{at, offsetProvider*(i+1) + j})
		}
	}
	p.outside.domain, p.outside.mailbox = "posta.test", "carla.neri@posta.test"
	for _, out := range outs {
		var err error
		if *out.at, err = next(out.offset); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func newProviderPlan(short string, mailboxes int) *providerPlan {
	title := map[string]string{"alfa": "Alfa", "beta": "Beta"}[short]
	second := map[string]string{"alfa": "comune", "beta": "studio"}[short]
	pp := &providerPlan{
		name: title + " PEC S.p.A.", short: short, domains: []string{"pec." + short + ".test", second + "." + short + ".test"},
		config: short + "/ceralacca.toml", data: short + "/data", signingCert: short + "/signing.pem", signingKey: short + "/signing.key",
		tlsCert: short + "/server.pem", tlsKey: short + "/server.key", dirCert: short + "/client.pem", dirKey: short + "/client.key",
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

// address is where a service listens: its port by the plan, or any free one.
func address(o Options, offset int) (string, error) {
	port := o.BasePort + offset
	if o.BasePort == 0 {
		l, err := net.Listen("tcp", net.JoinHostPort(o.Host, "0"))
		if err != nil {
			return "", fmt.Errorf("no free port on %s: %w", o.Host, err)
		}
		port = l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return "", err
		}
	}
	return net.JoinHostPort(o.Host, strconv.Itoa(port)), nil
}

// probe tells whether every port is free, before anything is written.
func (p *plan) probe() error {
	ports := map[string]string{"the outside SMTP server": p.outside.smtp, "the outside IMAP server": p.outside.imaps}
	for _, pp := range p.providers {
		ports[pp.name+" SMTP"], ports[pp.name+" submission"] = pp.smtp, pp.submission
		ports[pp.name+" submissions"], ports[pp.name+" IMAP"] = pp.submissions, pp.imaps
	}
	for what, address := range ports {
		l, err := listen(address, what)
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}
