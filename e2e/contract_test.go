package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// contract is sandbox.json as design.md 9 promises it. Services that are not built yet have no field; those that come
// later are known here already.
type contract struct {
	Version    int    `json:"version"`
	PID        int    `json:"pid"`
	CAFile     string `json:"ca_file"`
	ControlURL string `json:"control_url"`
	Authority  struct {
		LDIFURL               string `json:"ldif_url"`
		DirectorySignerFile   string `json:"directory_signer_file"`
		ClientCertificateFile string `json:"client_certificate_file"`
		ClientKeyFile         string `json:"client_key_file"`
	} `json:"authority"`
	Outside struct {
		Domain  string  `json:"domain"`
		SMTP    string  `json:"smtp"`
		IMAPS   string  `json:"imaps"`
		Mailbox account `json:"mailbox"`
	} `json:"outside"`
	Providers []provider `json:"providers"`
}

// provider is one of the sandbox's providers.
type provider struct {
	Name                    string    `json:"name"`
	Domain                  string    `json:"domain"`
	Domains                 []string  `json:"domains"`
	ConfigFile              string    `json:"config_file"`
	DataDir                 string    `json:"data_dir"`
	ServiceMailbox          account   `json:"service_mailbox"`
	SigningCertificateFiles []string  `json:"signing_certificate_files"`
	SMTP                    string    `json:"smtp"`
	Submission              string    `json:"submission"`
	Submissions             string    `json:"submissions"`
	IMAPS                   string    `json:"imaps"`
	POP3S                   string    `json:"pop3s"`
	HTTPS                   string    `json:"https"`
	Mailboxes               []account `json:"mailboxes"`
}

// account is a mailbox; the server that it is read from is filled in after reading.
type account struct {
	Address  string `json:"address"`
	Password string `json:"password"`
	imaps    string
}

// signingAddress is what the provider's messages come from (norms.md 1.1).
func (p provider) signingAddress() string { return "posta-certificata@" + p.Domain }

// readContract reads dir/sandbox.json: strict JSON, no field that the design does not know.
func readContract(dir string) (contract, error) {
	var c contract
	octets, err := os.ReadFile(filepath.Join(dir, "sandbox.json"))
	if err != nil {
		return c, err
	}
	d := json.NewDecoder(bytes.NewReader(octets))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("sandbox.json: %w", err)
	}
	if d.More() {
		return c, fmt.Errorf("sandbox.json: something follows its object")
	}
	c.Outside.Mailbox.imaps = c.Outside.IMAPS
	for i := range c.Providers {
		p := &c.Providers[i]
		p.ServiceMailbox.imaps = p.IMAPS
		for j := range p.Mailboxes {
			p.Mailboxes[j].imaps = p.IMAPS
		}
	}
	return c, nil
}
