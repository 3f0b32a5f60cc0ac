package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// cluster is Alfa's two processes and Beta's one, on a database server of their own.
type cluster struct {
	t      *testing.T
	dir    string
	tls    *tls.Config // trusts the cluster's authority alone
	server *postgrestest.Server
	alfa   provider
	beta   provider
	nodes  []*node        // Alfa's first and second, and Beta's
	held   []net.Listener // of ports that processes will open
	offset time.Duration
}

// provider is what sandbox.json says of one, as far as it is needed here.
type provider struct {
	Domains        []string  `json:"domains"`
	ConfigFile     string    `json:"config_file"`
	ServiceMailbox account   `json:"service_mailbox"`
	SMTP           string    `json:"smtp"`
	Mailboxes      []account `json:"mailboxes"`
	nodes          []*node
}

type account struct {
	Address  string `json:"address"`
	Password string `json:"password"`
	at       *provider
}

// node is one process of a provider. It reaches the database through a proxy of its own.
type node struct {
	*daemon
	name        string // as in the ids of what it issues
	config      string
	smtp        string
	submissions string
	imaps       string
	proxy       *postgrestest.Proxy
}

// newCluster makes the providers and starts all of their processes. When the test is over they must stop cleanly.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: filepath.Join(t.TempDir(), "cluster"), server: postgrestest.Start(t)}
	c.make()
	for _, n := range []struct {
		p    *provider
		name string
	}{{&c.alfa, "alfa1"}, {&c.alfa, "alfa2"}, {&c.beta, "beta"}} {
		c.nodes = append(c.nodes, c.newNode(n.p, n.name))
		n.p.nodes = append(n.p.nodes, c.nodes[len(c.nodes)-1])
	}
	newBalancer(t, c.alfa.SMTP, c.nodes[0].smtp, c.nodes[1].smtp)
	t.Cleanup(c.showLogs)
	c.start(c.nodes...)
	return c
}

// make lets a sandbox make both providers with their keys, mailboxes and copies of the directory, and stops it.
func (c *cluster) make() {
	c.t.Helper()
	d := startDaemon(c.t, c.dir+".log", "sandbox", "--dir", c.dir, "--base-port", "0", "--database", c.server.URL())
	var contract struct {
		CAFile    string     `json:"ca_file"`
		Providers []provider `json:"providers"`
	}
	eventually(c.t, 30*time.Second, "sandbox.json is there", func() bool {
		if !d.running() {
			c.t.Fatalf("the sandbox has ended: %s", clip(d.log()))
		}
		octets, err := os.ReadFile(filepath.Join(c.dir, "sandbox.json"))
		return err == nil && json.Unmarshal(octets, &contract) == nil
	})
	d.stop(c.t)
	c.alfa, c.beta = contract.Providers[0], contract.Providers[1]
	for _, p := range []*provider{&c.alfa, &c.beta} {
		p.ServiceMailbox.at = p
		for i := range p.Mailboxes {
			p.Mailboxes[i].at = p
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(readFile(c.t, filepath.Join(c.dir, contract.CAFile))) {
		c.t.Fatal("no certificate of the authority")
	}
	c.tls = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

var databaseLine = regexp.MustCompile(`(?m)^database = "(.*)"$`)

// newNode writes the configuration of one process beside the provider's own: another data_dir, which has the directory's
// copy, another name, other ports, and the same database.
func (c *cluster) newNode(p *provider, name string) *node {
	c.t.Helper()
	base := filepath.Join(c.dir, p.ConfigFile)
	text := string(readFile(c.t, base))
	n := &node{name: name, config: filepath.Join(filepath.Dir(base), name+".toml"), smtp: p.SMTP, submissions: c.freePort(), imaps: c.freePort()}
	if p == &c.alfa {
		n.smtp = c.freePort() // the provider's is the balancer's
	}
	n.proxy = postgrestest.NewProxy(c.t, databaseLine.FindStringSubmatch(text)[1])
	set := func(key, value string) {
		line := regexp.MustCompile(`(?m)^` + key + ` = ".*"$`)
		if len(line.FindAllString(text, -1)) != 1 {
			c.t.Fatalf("%s has not one line of %s", base, key)
		}
		text = line.ReplaceAllLiteralString(text, key+` = "`+value+`"`)
	}
	set("data_dir", name)
	set("node", name)
	set("database", n.proxy.URL())
	set("smtp", n.smtp)
	set("submission", c.freePort())
	set("submissions", n.submissions)
	set("imaps", n.imaps)
	writeFile(c.t, n.config, text)
	if said, status := run(c.t, "cp", "-a", filepath.Join(filepath.Dir(base), "data"), filepath.Join(filepath.Dir(base), name)); status != 0 {
		c.t.Fatal(said)
	}
	return n
}

// freePort is an address whose port is kept free until the processes start. It is below those that systems give to whoever asks
// for any one (RFC 6335 6), and those of sandboxes and database servers: it is free still when a process that was killed is
// started again.
func (c *cluster) freePort() string {
	c.t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 5_000+rand.IntN(5_000))
		if l, err := net.Listen("tcp", address); err == nil {
			c.held = append(c.held, l)
			return address
		}
	}
	c.t.Fatal("no free port")
	return ""
}

// start starts processes and returns when they answer.
func (c *cluster) start(nodes ...*node) {
	c.t.Helper()
	for _, l := range c.held {
		l.Close()
	}
	c.held = nil
	for _, n := range nodes {
		n.daemon = startDaemon(c.t, n.config+".log", "serve", "-c", n.config)
	}
	for _, n := range nodes {
		eventually(c.t, time.Minute, n.name+" answers", func() bool {
			c.restart(n)
			return answers(n.submissions) && answers(n.imaps)
		})
	}
}

// restart is the service manager: a process that could not begin because its database was away is started again. No other
// may end by itself.
func (c *cluster) restart(n *node) {
	c.t.Helper()
	if n.running() {
		return
	}
	if last := n.lastWords(); !strings.Contains(last, "failed to connect") && !strings.Contains(last, "the database cannot be reached") {
		c.t.Fatalf("%s has ended by itself: %v\n%s", n.name, n.cmd.ProcessState, clip(n.log()))
	}
	n.daemon = startDaemon(c.t, n.config+".log", "serve", "-c", n.config)
}

// lastWords is the error that a process ended with: the driver's have several lines.
func (n *node) lastWords() string {
	lines := strings.Split(strings.TrimSpace(n.log()), "\n")
	first := len(lines)
	for first > 0 && strings.HasPrefix(lines[first-1], "ceralacca: ") {
		first--
	}
	return strings.Join(lines[first:], "\n")
}

func (c *cluster) stop() {
	c.t.Helper()
	for _, n := range c.nodes {
		n.stop(c.t)
	}
}

// advance moves the law's clock of everybody: it is read when a process starts.
func (c *cluster) advance(d time.Duration) {
	c.t.Helper()
	c.stop()
	c.offset += d
	writeFile(c.t, filepath.Join(c.dir, "clock"), c.offset.String()+"\n")
	c.start(c.nodes...)
}

var checked = regexp.MustCompile(`(?m)^[1-9]\d* facts, .* checked: 0 violations$`)

// check runs `ceralacca check` on both providers' data, beside the processes.
func (c *cluster) check() {
	c.t.Helper()
	for _, n := range c.nodes[1:] {
		if said, status := run(c.t, "ceralacca", "check", "-c", n.config); status != 0 || !checked.MatchString(said) {
			c.t.Errorf("check of %s ends with status %d\n%s", n.name, status, clip(said))
		}
	}
}

func (c *cluster) showLogs() {
	if !c.t.Failed() {
		return
	}
	for _, n := range c.nodes {
		for line := range strings.Lines(n.log()) {
			if strings.Contains(line, "enclosed in an anomaly envelope") || strings.Contains(line, "msg=held") {
				c.t.Logf("%s: %s", n.name, line)
			}
		}
		c.t.Logf("the end of the log of %s:\n%s", n.name, clip(n.log()))
	}
}

// schema is a URL of a provider's data, past every proxy.
func (c *cluster) schema(p *provider) string {
	text := string(readFile(c.t, filepath.Join(c.dir, p.ConfigFile)))
	return databaseLine.FindStringSubmatch(text)[1]
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	octets, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
