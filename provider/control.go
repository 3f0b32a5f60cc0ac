package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// controlName is the socket in the data directory through which subcommands reach the one owner (design.md 4).
const controlName = "control.sock"

// controlPath is the socket's path; where it would be longer than a socket's address may be, the directory is named by a
// descriptor.
func controlPath(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, controlName)
	if len(path) < 100 || runtime.GOOS != "linux" {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), controlName), func() { d.Close() }, nil
}

// listenControl binds the socket. The caller holds the directory's lock, so a socket that is there is a dead process's.
func listenControl(dir string) (net.Listener, error) {
	path, done, err := controlPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the old control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the control socket: %w", err), l.Close())
	}
	return l, nil
}

func (p *Provider) serveControl(ctx context.Context) error {
	srv := &http.Server{Handler: p.admin().handler(), ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(p.control); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the control socket: %w", err)
	}
	return nil
}

func (p *Provider) admin() *admin {
	return &admin{store: p.Store, units: p.Units, directory: p.keeper.Current}
}

// admin does what subcommands ask for. It runs in the owner of the data, whichever process that is.
type admin struct {
	store     *store.Store
	units     issuance.Units
	directory func() *directory.Directory
}

// MailboxInfo is a mailbox as subcommands show it.
type MailboxInfo struct {
	Address string    `json:"address"`
	Service bool      `json:"service"`
	Enabled bool      `json:"enabled"`
	Created time.Time `json:"created"`
	Used    int64     `json:"used"`

	Suspended bool   `json:"suspended"`
	Quota     int64  `json:"quota"`    // octets; 0 is without limit
	Ordinary  string `json:"ordinary"` // "" is as the domain's
}

// DomainInfo is a domain as subcommands show it.
type DomainInfo struct {
	Domain string `json:"domain"`
	Unit   string `json:"unit"`
	Listed bool   `json:"listed"` // the directory in force names it as this unit's: it takes mail
}

// HeldInfo is a held message as subcommands show it.
type HeldInfo struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Reason     string    `json:"reason"`
	Sender     string    `json:"sender"`
	Recipients []string  `json:"recipients"`
	Peer       string    `json:"peer"`
	Size       int64     `json:"size"`
}

type mailboxRequest struct {
	Address  string `json:"address"`
	Password string `json:"password,omitempty"`
	Quota    int64  `json:"quota,omitempty"`
	Ordinary string `json:"ordinary,omitempty"`
}

func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mailbox/add", a.mailbox(a.add))
	for name, do := range map[string]func(context.Context, pec.Address, mailboxRequest) error{
		"password": func(ctx context.Context, to pec.Address, q mailboxRequest) error {
			return a.store.SetPassword(ctx, to, q.Password)
		},
		"disable": func(ctx context.Context, to pec.Address, _ mailboxRequest) error {
			return a.store.SetEnabled(ctx, to, false)
		},
		"enable": func(ctx context.Context, to pec.Address, _ mailboxRequest) error {
			return a.store.SetEnabled(ctx, to, true)
		},
		"suspend": func(ctx context.Context, to pec.Address, _ mailboxRequest) error {
			return a.store.Suspend(ctx, to, true)
		},
		"resume": func(ctx context.Context, to pec.Address, _ mailboxRequest) error {
			return a.store.Suspend(ctx, to, false)
		},
		"quota": func(ctx context.Context, to pec.Address, q mailboxRequest) error {
			return a.store.SetQuota(ctx, to, q.Quota)
		},
		"ordinary": func(ctx context.Context, to pec.Address, q mailboxRequest) error {
			return a.store.SetOrdinary(ctx, to, store.Ordinary(q.Ordinary))
		},
	} {
		mux.HandleFunc("POST /mailbox/"+name, a.mailbox(do))
	}
	mux.HandleFunc("GET /mailboxes", answer(a.mailboxes))
	mux.HandleFunc("GET /domains", answer(a.domains))
	mux.HandleFunc("GET /events", answer(func(ctx context.Context) (any, error) { return a.store.EventCounts(ctx) }))
	mux.HandleFunc("GET /held", answer(a.heldList))
	mux.HandleFunc("GET /held/{id}", a.heldShow)
	return mux
}

// mailbox wraps what is done to one mailbox.
func (a *admin) mailbox(do func(context.Context, pec.Address, mailboxRequest) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q mailboxRequest
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&q)
		if err == nil {
			var address pec.Address
			if address, err = pec.ParseAddress(q.Address); err == nil {
				err = do(r.Context(), address, q)
			}
		}
		respond(w, struct{}{}, err)
	}
}

func (a *admin) add(ctx context.Context, address pec.Address, q mailboxRequest) error {
	if _, ours := a.units.ByDomain(address.Domain()); !ours {
		return fmt.Errorf("%s is no domain of this provider: add it to a unit's domains first", address.Domain())
	}
	if a.units.Reserved(address) {
		return fmt.Errorf("%s is reserved for the provider: choose another address", address)
	}
	if q.Password == "" {
		return errors.New("a holder's mailbox has a password: give one")
	}
	_, err := a.store.AddMailbox(ctx, address, false, q.Password)
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%s is there already", address)
	}
	return err
}

func (a *admin) mailboxes(ctx context.Context) (any, error) {
	ms, err := a.store.Mailboxes(ctx)
	infos := make([]MailboxInfo, len(ms))
	for i, m := range ms {
		infos[i] = MailboxInfo{string(m.Address), m.Service, m.Enabled, m.Created, m.Used, m.Suspended, m.Quota, string(m.Ordinary)}
	}
	return infos, err
}

func (a *admin) domains(context.Context) (any, error) {
	var infos []DomainInfo
	for _, u := range a.units {
		for _, d := range u.Domains {
			entry, ok := a.directory().Domain(d)
			infos = append(infos, DomainInfo{d, string(u.Address), ok && entry.Key() == u.Entry})
		}
	}
	return infos, nil
}

func heldInfo(h store.Held) HeldInfo {
	return HeldInfo{h.ID.String(), h.At, h.Reason, h.Sender, h.Recipients, h.Peer, h.Size}
}

func (a *admin) heldList(ctx context.Context) (any, error) {
	hs, err := a.store.HeldMessages(ctx, 1000)
	infos := make([]HeldInfo, len(hs))
	for i, h := range hs {
		infos[i] = heldInfo(h)
	}
	return infos, err
}

// heldShow answers with the octets of a held message as it came.
func (a *admin) heldShow(w http.ResponseWriter, r *http.Request) {
	id, err := store.ParseID(r.PathValue("id"))
	if err != nil {
		respond(w, nil, err)
		return
	}
	h, err := a.store.HeldMessage(r.Context(), id)
	if err != nil {
		respond(w, nil, err)
		return
	}
	octets, err := a.store.Open(r.Context(), h.Message, nil)
	if err != nil {
		respond(w, nil, err)
		return
	}
	defer octets.Close()
	w.Header().Set("Content-Type", "message/rfc822")
	http.ServeContent(w, r, "", h.At, newSeeker(octets))
}

func answer(get func(context.Context) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := get(r.Context())
		respond(w, v, err)
	}
}

func respond(w http.ResponseWriter, v any, err error) {
	if err != nil {
		text := err.Error()
		if errors.Is(err, store.ErrNotFound) {
			text = strings.TrimSuffix(text, ": "+store.ErrNotFound.Error()) + " is not there"
		}
		http.Error(w, text, http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The other end is a subcommand on the same machine: if it went away there is nobody to tell.
	json.NewEncoder(w).Encode(v)
}
