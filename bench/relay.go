package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// relay is a Postfix of our own, which hands everything to smtp-sink, its own test server. Its directory is removed at the
// end; nothing of the machine's Postfix is touched.
type relay struct {
	dir      string
	address  string
	next     string // smtp-sink's
	version  string
	sink     *exec.Cmd
	master   *exec.Cmd
	accepted int // messages, so far
}

// The parts of a Postfix that only relays. Everything else is as Postfix comes, but for the pause that it takes when more
// messages come than leave.
const (
	mainCF = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/data/log
maillog_file_prefixes = %[1]s/data
myhostname = bench.localhost
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
local_recipient_maps =
relayhost = %[2]s
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
disable_dns_lookups = yes
in_flow_delay = 0
`
	masterCF = `%s inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`
	postfixUser = "postfix"
)

// startRelay returns when the relay takes connections.
func startRelay(ctx context.Context, parent string) (*relay, error) {
	for _, program := range []string{"postfix", "postconf", "smtp-sink"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("Postfix is not installed: %w", err)
		}
	}
	if err := needsRoot(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, "ceralacca-bench-postfix-")
	if err != nil {
		return nil, err
	}
	r := &relay{dir: dir}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *relay) start(ctx context.Context) error {
	if err := r.configure(); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "postfix", "-c", r.conf(), "check").CombinedOutput(); err != nil {
		return fmt.Errorf("postfix check (can the user %s reach %s?): %w: %s", postfixUser, r.dir, err, out)
	}
	daemons, err := r.setting(ctx, "daemon_directory")
	if err != nil {
		return err
	}
	if r.version, err = r.setting(ctx, "mail_version"); err != nil {
		return err
	}
	r.sink = exec.CommandContext(ctx, "smtp-sink", "-u", postfixUser, r.next, "1000")
	if err := r.sink.Start(); err != nil {
		return err
	}
	r.master = exec.CommandContext(ctx, filepath.Join(daemons, "master"), "-c", r.conf(), "-s")
	if err := r.master.Start(); err != nil {
		return err
	}
	for _, address := range []string{r.next, r.address} {
		if err := listens(ctx, address); err != nil {
			return err
		}
	}
	return nil
}

func (r *relay) conf() string { return filepath.Join(r.dir, "conf") }

func (r *relay) log() string { return filepath.Join(r.dir, "data", "log") }

// configure writes the configuration into directories that Postfix's user can reach.
func (r *relay) configure() (err error) {
	if r.address, err = freeAddress(); err != nil {
		return err
	}
	if r.next, err = freeAddress(); err != nil {
		return err
	}
	owner, err := user.Lookup(postfixUser)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	errs := []error{os.Chmod(r.dir, 0o755)}
	for _, name := range []string{"conf", "queue", "data"} {
		errs = append(errs, os.Mkdir(filepath.Join(r.dir, name), 0o755))
	}
	host, port, _ := strings.Cut(r.next, ":")
	return errors.Join(append(errs,
		os.Chown(filepath.Join(r.dir, "data"), uid, -1),
		os.WriteFile(filepath.Join(r.conf(), "main.cf"), fmt.Appendf(nil, mainCF, r.dir, "["+host+"]:"+port), 0o644),
		os.WriteFile(filepath.Join(r.conf(), "master.cf"), fmt.Appendf(nil, masterCF, r.address), 0o644),
	)...)
}

func (r *relay) setting(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "postconf", "-c", r.conf(), "-h", name).Output()
	if err != nil {
		return "", fmt.Errorf("postconf %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func listens(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c, err := dialPlain(ctx, address)
		if err == nil {
			c.close()
			return nil
		}
		if errWait := pause(ctx, lookEvery); errWait != nil {
			return errors.Join(err, errWait)
		}
	}
}

// cpu is what all processes of Postfix have used so far.
func (r *relay) cpu() (time.Duration, error) { return familyCPU(r.master.Process.Pid) }

// delivered waits until the log says that everything accepted was handed on.
func (r *relay) delivered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		text, err := os.ReadFile(r.log())
		if err != nil {
			return err
		}
		sent, removed := strings.Count(string(text), " status=sent "), strings.Count(string(text), ": removed\n")
		if sent == r.accepted && removed == r.accepted {
			return nil
		}
		if err := pause(ctx, lookEvery); err != nil {
			return fmt.Errorf("Postfix has handed on %d and removed %d of %d messages: %w", sent, removed, r.accepted, err)
		}
	}
}

// stop ends both and removes the directory.
func (r *relay) stop() error {
	for _, cmd := range []*exec.Cmd{r.master, r.sink} {
		if cmd == nil || cmd.Process == nil {
			continue
		}
		// master ends its daemons in its turn.
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			continue // it has ended
		}
		late := time.AfterFunc(stopTime, func() { cmd.Process.Kill() })
		cmd.Wait() // that a signal ended it is what we want
		late.Stop()
	}
	if err := os.RemoveAll(r.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
