package sandbox

import (
	"encoding/json"
	"os"

	"github.com/ceralacca/ceralacca/store"
)

// Contract is sandbox.json: what test programs rely on (design.md 9). Paths are relative to its directory.
type Contract struct {
	Version    int                `json:"version"`
	PID        int                `json:"pid"`
	CAFile     string             `json:"ca_file"`
	ControlURL string             `json:"control_url"`
	Authority  AuthorityContract  `json:"authority"`
	Outside    OutsideContract    `json:"outside"`
	Providers  []ProviderContract `json:"providers"`
}

// AuthorityContract is how to fetch and check the signed directory.
type AuthorityContract struct {
	LDIFURL               string `json:"ldif_url"`
	DirectorySignerFile   string `json:"directory_signer_file"`
	ClientCertificateFile string `json:"client_certificate_file"`
	ClientKeyFile         string `json:"client_key_file"`
}

// OutsideContract is the ordinary mail server.
type OutsideContract struct {
	Domain  string  `json:"domain"`
	SMTP    string  `json:"smtp"`
	IMAPS   string  `json:"imaps"`
	Mailbox Account `json:"mailbox"`
}

// ProviderContract is a provider; a service that is not offered has no field.
type ProviderContract struct {
	Name                    string    `json:"name"`
	Domain                  string    `json:"domain"`
	Domains                 []string  `json:"domains"`
	ConfigFile              string    `json:"config_file"`
	DataDir                 string    `json:"data_dir"`
	ServiceMailbox          Account   `json:"service_mailbox"`
	SigningCertificateFiles []string  `json:"signing_certificate_files"`
	SMTP                    string    `json:"smtp"`
	Submission              string    `json:"submission"`
	Submissions             string    `json:"submissions"`
	IMAPS                   string    `json:"imaps"`
	Mailboxes               []Account `json:"mailboxes"`
}

// Account is an address with its password.
type Account struct {
	Address  string `json:"address"`
	Password string `json:"password"`
}

// Contract is the running sandbox as sandbox.json tells it.
func (s *Sandbox) Contract() Contract {
	c := Contract{
		Version: 1, PID: os.Getpid(), CAFile: caName, ControlURL: "http://" + s.plan.control,
		Authority: AuthorityContract{s.plan.ldifURL(), signerName, clientName, clientKey},
		Outside:   OutsideContract{s.plan.outside.domain, s.plan.outside.smtp, s.plan.outside.imaps, Account{s.plan.outside.mailbox, Password}},
	}
	for _, pp := range s.plan.providers {
		pc := ProviderContract{
			Name: pp.name, Domain: pp.domains[0], Domains: pp.domains, ConfigFile: pp.config, DataDir: pp.data,
			ServiceMailbox: Account{pp.service, Password}, SigningCertificateFiles: []string{pp.signingCert},
			SMTP: pp.smtp, Submission: pp.submission, Submissions: pp.submissions, IMAPS: pp.imaps,
		}
		for _, m := range pp.mailboxes {
			pc.Mailboxes = append(pc.Mailboxes, Account{m, Password})
		}
		c.Providers = append(c.Providers, pc)
	}
	return c
}

// writeContract writes sandbox.json by rename, mode 0600.
func (s *Sandbox) writeContract() error {
	octets, err := json.MarshalIndent(s.Contract(), "", "  ")
	if err != nil {
		return err
	}
	return store.WriteFile(s.path(contractName), append(octets, '\n'))
}

// ReadContract reads a sandbox.json.
func ReadContract(path string) (Contract, error) {
	var c Contract
	octets, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(octets, &c)
}
