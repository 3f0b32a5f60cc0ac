package sandbox

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// design.md 9: sandbox.json says where everything is while everything answers, and is gone afterwards.
func TestContract(t *testing.T) {
	dir := newDir(t)
	if err := os.WriteFile(filepath.Join(dir, contractName), []byte("{}"), 0o600); err != nil { // as after kill -9
		t.Fatal(err)
	}
	r := start(t, options(t, dir))
	st, err := os.Stat(r.path(contractName))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", st, err)
	}
	c, err := ReadContract(r.path(contractName))
	if err != nil || !reflect.DeepEqual(c, r.Contract()) {
		t.Fatalf("%+v, %v", c, err)
	}
	if c.Version != 1 || c.PID != os.Getpid() || len(c.Providers) != 2 || c.Providers[0].Name != "Alfa PEC S.p.A." || c.Providers[1].Domain != "pec.beta.test" {
		t.Errorf("the contract is %+v", c)
	}
	files := []string{c.CAFile, c.Authority.DirectorySignerFile, c.Authority.ClientCertificateFile, c.Authority.ClientKeyFile}
	services := []string{c.Outside.SMTP, c.Outside.IMAPS, strings.TrimPrefix(c.ControlURL, "http://")}
	for _, p := range c.Providers {
		files = append(append(files, p.ConfigFile, p.DataDir), p.SigningCertificateFiles...)
		services = append(services, p.SMTP, p.Submission, p.Submissions, p.IMAPS)
		if len(p.Mailboxes) != 3 || p.Mailboxes[0].Password != Password || len(p.Domains) != 2 || p.ServiceMailbox.Password != Password {
			t.Errorf("the mailboxes of %s are %+v", p.Name, p.Mailboxes)
		}
		for _, m := range append(p.Mailboxes, p.ServiceMailbox) {
			if _, err := r.running[slices.IndexFunc(r.running, func(x *member) bool { return x.plan.name == p.Name })].Store.Authenticate(t.Context(), m.Address, m.Password); err != nil {
				t.Errorf("%s: %v", m.Address, err)
			}
		}
	}
	for _, f := range files {
		if _, err := os.Stat(r.path(f)); err != nil || filepath.IsAbs(f) {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, s := range services {
		conn, err := net.Dial("tcp", s)
		if err != nil {
			t.Error(err)
			continue
		}
		conn.Close()
	}
	r.stop()
	if _, err := os.Stat(r.path(contractName)); !os.IsNotExist(err) {
		t.Errorf("after the stop sandbox.json is there: %v", err)
	}
}

// A field that names a service is there only if the service is; the order and names are the contract's.
func TestContractFields(t *testing.T) {
	octets, err := json.Marshal(Contract{Providers: []ProviderContract{{}}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":0,"pid":0,"ca_file":"","control_url":"","authority":{"ldif_url":"","directory_signer_file":"","client_certificate_file":"","client_key_file":""},` +
		`"outside":{"domain":"","smtp":"","imaps":"","mailbox":{"address":"","password":""}},"providers":[{"name":"","domain":"","domains":null,"config_file":"","data_dir":"",` +
		`"service_mailbox":{"address":"","password":""},"signing_certificate_files":null,"smtp":"","submission":"","submissions":"","imaps":"","mailboxes":null}]}`
	if string(octets) != want {
		t.Errorf("the contract is\n%s\nwant\n%s", octets, want)
	}
}

// The whole way: both providers, the outside, and a restart that keeps everything.
func TestCertifiedMail(t *testing.T) {
	dir := newDir(t)
	r := start(t, options(t, dir))
	from, to := "mario.rossi@pec.alfa.test", []string{"luigi.verdi@pec.beta.test", "anna.bianchi@pec.alfa.test", "nessuno@studio.beta.test", "carla.neri@posta.test", "nessuno@posta.test"}
	message := letter("1", from, to...)
	if err := r.send(from, to, message); err != nil {
		t.Fatal(err)
	}
	if err := r.send(from, to, message); err != nil { // a client that did not see the 250
		t.Fatal(err)
	}
	r.settled("1s")
	want := map[string]string{
		from:                          "accettazione avvenuta-consegna avvenuta-consegna dsn errore-consegna",
		"luigi.verdi@pec.beta.test":   "posta-certificata",
		"anna.bianchi@pec.alfa.test":  "posta-certificata",
		"ricevute@pec.alfa.test":      "presa-in-carico",
		"segreteria@studio.beta.test": "",
	}
	arrived := func(r *running) {
		t.Helper()
		for mailbox, want := range want {
			st := r.running[0].Store
			if strings.HasSuffix(mailbox, ".beta.test") {
				st = r.running[1].Store
			}
			got := kinds(t, st, mailbox)
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("%s has %q, want %q", mailbox, got, want)
			}
		}
		if got := kinds(t, r.outside.store, "carla.neri@posta.test"); len(got) != 1 {
			t.Errorf("outside has %q", got)
		}
	}
	arrived(r)
	r.wantSound()
	code, page := r.ask(http.MethodGet, "/", "", nil)
	for _, text := range []string{"Prova 1", "delivered", "failed", "luigi.verdi@pec.beta.test", r.Contract().Providers[1].IMAPS} {
		if code != http.StatusOK || !strings.Contains(page, text) {
			t.Errorf("the page (%d) does not show %q", code, text)
		}
	}
	r.stop()
	again := start(t, options(t, dir))
	arrived(again)
	again.wantSound()
}

// The sandbox listens where it is told to, and works there.
func TestListensOnAllAddresses(t *testing.T) {
	o := options(t, newDir(t))
	o.Host = "0.0.0.0"
	r := start(t, o)
	for _, m := range r.running {
		if _, ok := m.Directory().Domain("pec.alfa.test"); !ok {
			t.Errorf("%s has no directory", m.plan.short)
		}
	}
	if c := r.Contract(); !strings.HasPrefix(c.Providers[0].SMTP, "127.0.0.1:") || !strings.HasPrefix(c.ControlURL, "http://127.0.0.1:") {
		t.Errorf("the contract names addresses that nobody can dial: %+v", c)
	}
}

// TestRunning asks one running sandbox for what leaves it as it was.
func TestRunning(t *testing.T) {
	r := start(t, options(t, newDir(t)))
	for name, ask := range map[string]func(*testing.T, *running){
		"greeting": greetingNamesWhatIsThere, "second": secondIsRefused, "nonsense": clockRefusesNonsense, "jumps": jumpsAtATime,
	} {
		t.Run(name, func(t *testing.T) { ask(t, r) })
	}
}

func greetingNamesWhatIsThere(t *testing.T, r *running) {
	greeting := r.Greeting()
	for _, text := range []string{r.Contract().ControlURL, r.Contract().Providers[0].Submissions, r.path(caName), r.path(contractName), "curl", Password, "casella-piena@", "anomalia@pec.beta.test", "/faults"} {
		if !strings.Contains(greeting, text) {
			t.Errorf("the greeting does not name %s", text)
		}
	}
}

func TestPlan(t *testing.T) {
	p, err := newPlan(Options{BasePort: 20250, Mailboxes: 24, Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{p.control, p.authority, p.providers[0].smtp, p.providers[0].submission, p.providers[0].submissions, p.providers[0].imaps, p.providers[1].smtp, p.providers[1].imaps, p.outside.smtp, p.outside.imaps}
	want := []string{"20250", "20251", "20260", "20261", "20262", "20263", "20270", "20273", "20280", "20281"}
	for i := range want {
		if got[i] != "127.0.0.1:"+want[i] {
			t.Errorf("port %d is %s, want %s", i, got[i], want[i])
		}
	}
	for _, pp := range p.providers {
		seen := map[string]bool{pp.service: true, pp.signing(): true}
		for _, m := range pp.mailboxes {
			if _, err := pec.ParseAddress(m); err != nil || seen[m] {
				t.Errorf("mailbox %s: %v", m, err)
			}
			seen[m] = true
		}
		if len(seen) != 26 {
			t.Errorf("%s has %d addresses", pp.name, len(seen))
		}
	}
}
