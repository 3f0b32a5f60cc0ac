package faults

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// settled is a sandbox that was stopped when all that its clients had submitted to the first provider was delivered there:
// each case begins with a copy of that provider, in which nothing is left to be done.
type settled struct {
	dir, program string
	conf         *tls.Config
	from         account
	to           string
	said         []answered
}

// begun makes the settled sandbox once for all cases.
var begun = sync.OnceValues(func() (*settled, error) {
	dir, err := work()
	if err != nil {
		return nil, err
	}
	s := &settled{dir: filepath.Join(dir, "settled"), program: filepath.Join(dir, "ceralacca")}
	if err := runSandbox(s.dir, s.use, s.program, "sandbox", "--dir", s.dir, "--base-port", "0", "--mailboxes", "2"); err != nil {
		return nil, fmt.Errorf("making the data of all cases: %w", err)
	}
	return s, nil
})

// use submits letters that stay with the provider, and waits for the last receipt.
func (s *settled) use(sandbox contract) (err error) {
	if s.conf, err = trust(filepath.Join(s.dir, sandbox.CAFile)); err != nil {
		return err
	}
	p := sandbox.Providers[0]
	s.from, s.to = p.Mailboxes[0], p.Mailboxes[1].Address
	c, err := dial(p.Submissions, s.conf, s.from, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, lines := range []int{shortBy, shortBy, longBy, shortBy} {
		a, err := c.submit(newLetter(s.to, lines))
		if err != nil {
			return err
		}
		s.said = append(s.said, a)
	}
	return whenIdle(filepath.Join(s.dir, p.DataDir), make(chan error, 1))
}

// whenIdle returns when no work is left to be done on the data; an error if their process has ended.
func whenIdle(data string, ended chan error) (err error) {
	waited := whenTrue(ended, func() bool {
		var left string
		left, err = query(data, "SELECT count(*) FROM task")
		return err != nil || left == "0"
	})
	return errors.Join(err, waited)
}

// query asks a database, whether it is in use or not.
func query(data, sql string) (string, error) {
	out, err := exec.Command("sqlite3", "-readonly", "-cmd", ".timeout 5000", filepath.Join(data, "store.db"), sql).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("sqlite3: %w\n%s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// house is a provider of a case: a copy of the settled one beside it, with an address of its own.
type house struct {
	*testing.T
	*settled
	provider, data, config string
	submissions, imaps     string
	said                   []answered // all 250s that its clients have read
	logs                   int
}

func newHouse(t *testing.T) *house {
	t.Helper()
	s, err := begun()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, settled: s, said: slices.Clone(s.said)}
	if h.provider, err = os.MkdirTemp(s.dir, "case-"); err != nil {
		t.Fatal(err)
	}
	h.data, h.config = filepath.Join(h.provider, "data"), filepath.Join(h.provider, "ceralacca.toml")
	h.tool("cp", "-a", filepath.Join(s.dir, "alfa")+"/.", h.provider)
	h.listen()
	return h
}

// listen takes a loopback address of its own for the two services that clients use: a port of 127.0.0.1 that is free now
// may be another's when the provider starts, or starts again. Nobody has to find the other services.
func (h *house) listen() {
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	h.submissions, h.imaps = host+":20465", host+":20993"
	config := string(h.read(h.config))
	for name, to := range map[string]string{"submissions": h.submissions, "imaps": h.imaps, "smtp": "127.0.0.1:0", "submission": "127.0.0.1:0"} {
		config = regexp.MustCompile(`(?m)^`+name+` = .*$`).ReplaceAllString(config, name+` = "`+to+`"`)
	}
	h.write(h.config, []byte(config))
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) read(file string) []byte {
	h.Helper()
	octets, err := os.ReadFile(file)
	h.must(err)
	return octets
}

func (h *house) write(file string, octets []byte) {
	h.Helper()
	h.must(os.WriteFile(file, octets, 0o600))
}

func (h *house) tool(name string, args ...string) string {
	h.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		h.Fatalf("%s %q: %v\n%s", name, args, err, clip(string(out)))
	}
	return string(out)
}

func (h *house) query(sql string) string {
	h.Helper()
	out, err := query(h.data, sql)
	h.must(err)
	return out
}

// launch starts the provider, through another program if one is given.
func (h *house) launch(through ...string) *process {
	h.Helper()
	h.logs++
	p, err := serve(fmt.Sprintf("%s/log-%d", h.provider, h.logs), append(through, h.program, "serve", "-c", h.config)...)
	h.must(err)
	h.Cleanup(func() { p.cmd.Process.Kill(); p.wait() })
	return p
}

// start starts the provider, which must run.
func (h *house) start(through ...string) *process {
	h.Helper()
	p := h.launch(through...)
	h.must(p.whenRunning())
	return p
}

// submit sends a letter over a connection of its own. The error is a *textproto.Error if the server has refused it.
func (h *house) submit(a answered) error {
	c, err := dial(h.submissions, h.conf, h.from, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if a, err = c.submit(a); err == nil {
		h.said = append(h.said, a)
	}
	return err
}

// code is what the server has refused with; 0 if it has said nothing.
func code(err error) int {
	var said *textproto.Error
	if errors.As(err, &said) {
		return said.Code
	}
	return 0
}

// survives starts the provider without any fault: what got no answer is sent again, and then everything that was
// answered must be there once, and nothing else.
func (h *house) survives(unanswered ...answered) {
	h.Helper()
	p := h.start()
	for _, a := range append(unanswered, newLetter(h.to, shortBy)) {
		h.must(h.submit(a))
	}
	h.must(whenIdle(h.data, p.ended))
	h.must(p.stop())
	if status, out := h.check(); status != 0 || !checked.MatchString(out) {
		h.Errorf("check ends with status %d\n%s", status, clip(out))
	}
	h.compare()
}

// check runs `ceralacca check`.
func (h *house) check() (status int, out string) {
	cmd := exec.Command(h.program, "check", "-c", h.config)
	octets, _ := cmd.CombinedOutput() // the status tells
	return cmd.ProcessState.ExitCode(), string(octets)
}

// compare holds what was answered against what is in the mailboxes.
func (h *house) compare() {
	h.Helper()
	want, got := map[string]int{}, map[string]int{}
	for _, a := range h.said {
		for _, kind := range []string{"accettazione", "posta-certificata", "avvenuta-consegna"} {
			want[kind+"|"+a.pecID]++
		}
	}
	for line := range strings.Lines(h.query("SELECT m.kind, m.pec_id FROM entry e JOIN message m ON m.id = e.message")) {
		got[strings.TrimSpace(line)]++
	}
	if !maps.Equal(got, want) {
		h.Errorf("in the mailboxes there are\n%v, not\n%v", got, want)
	}
}
