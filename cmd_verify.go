package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/evidence"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/smime"
)

type verifyCmd struct {
	Paths []string `arg:"" name:"file" help:"Messages (.eml), mbox files, zip archives, or folders of them."`

	Anchor          []string `type:"path" sep:"none" placeholder:"FILE" help:"Certificates of the authorities that issue providers' certificates (PEM or DER). May be repeated."`
	Directory       []string `type:"path" sep:"none" placeholder:"FILE" help:"The signed directory of providers (.ldif.p7m) of the days in question. May be repeated."`
	DirectorySigner string   `type:"path" placeholder:"FILE" help:"The certificate that signs the directories (PEM or DER)."`
	Revocation      []string `type:"path" sep:"none" placeholder:"FILE" help:"CRLs and OCSP responses (PEM or DER). May be repeated."`
	Network         bool     `help:"Ask the authorities that certificates name for CRLs and OCSP responses; nothing else goes over the network."`
	SHA1Until       day      `name:"sha1-until" default:"2026-01-01" placeholder:"DATE" help:"Signatures with SHA-1 made on this day or later are not taken for proof (default ${default})."`
	Lang            string   `enum:"it,en" default:"it" placeholder:"LANG" help:"Language of the report, it or en (default ${default})."`
	JSON            bool     `name:"json" help:"Print the report as JSON."`
	HTML            string   `name:"html" type:"path" placeholder:"FILE" help:"Also write the report as a page to read in a browser and to print."`
}

// day is one of the calendar; it begins in UTC.
type day struct{ time.Time }

// UnmarshalText reads it.
func (d *day) UnmarshalText(text []byte) (err error) {
	if d.Time, err = time.Parse(time.DateOnly, string(text)); err != nil {
		return fmt.Errorf("%q is no day: give one such as 2026-01-31", text)
	}
	return nil
}

// verdictError ends the program with the exit status of a verdict; the report has said all.
type verdictError struct{ status int }

func (e *verdictError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// Run verifies and reports.
func (c verifyCmd) Run(ctx context.Context, log *slog.Logger) error {
	o, err := c.options(ctx, log)
	if err != nil {
		return err
	}
	report, err := evidence.Examine(ctx, c.Paths, o)
	if err != nil {
		return err
	}
	if err := c.write(report); err != nil {
		return err
	}
	switch report.Verdict {
	case evidence.Valid:
		return nil
	case evidence.Invalid:
		return &verdictError{exitInvalid}
	}
	return &verdictError{exitUnproven}
}

func (c verifyCmd) write(report *evidence.Report) error {
	if c.HTML != "" {
		var page bytes.Buffer
		if err := report.WriteHTML(&page, evidence.Language(c.Lang)); err != nil {
			return err
		}
		if err := replacePage(c.HTML, page.Bytes()); err != nil {
			return fmt.Errorf("--html: %w", err)
		}
	}
	if c.JSON {
		return report.WriteJSON(os.Stdout)
	}
	return report.WriteText(os.Stdout, evidence.Language(c.Lang))
}

// pageStart is how our pages begin.
const pageStart = "<!DOCTYPE html>"

// replacePage writes a file that is not there, or is empty, or is a page: a message in its place would be lost evidence.
func replacePage(name string, page []byte) error {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		defer in.Close()
		head := make([]byte, len(pageStart))
		if _, err := io.ReadFull(in, head); err != nil || string(head) != pageStart {
			return fmt.Errorf("%s is there and is no page: name another file", name)
		}
	}
	return os.WriteFile(name, page, 0o644)
}

// options reads what is to be trusted. A file that is not what it should be is an error: nothing is verified with less than was given.
func (c verifyCmd) options(ctx context.Context, log *slog.Logger) (evidence.Options, error) {
	o := evidence.Options{SHA1Until: c.SHA1Until.Time, Now: time.Now()}
	var err error
	if o.Anchors, err = c.anchors(); err != nil {
		return o, err
	}
	if o.Directories, err = c.directories(); err != nil {
		return o, err
	}
	if o.Lists = c.Revocation; c.Network {
		o.Lists = append(o.Lists, "--network")
	}
	o.Revocation, err = c.revocations(ctx, log)
	return o, err
}

func (c verifyCmd) anchors() (*smime.Anchors, error) {
	if len(c.Anchor) == 0 {
		return nil, nil
	}
	var all []*x509.Certificate
	for _, name := range c.Anchor {
		certs, err := readCertificates(name)
		if err != nil {
			return nil, fmt.Errorf("--anchor: %w", err)
		}
		for _, c := range certs {
			if c.Version == 3 && !c.IsCA {
				return nil, fmt.Errorf("--anchor: %s: %s is no authority: name the certificate of who issued it", name, c.Subject)
			}
		}
		all = append(all, certs...)
	}
	return smime.NewAnchors(all...), nil
}

func (c verifyCmd) directories() (*evidence.Directories, error) {
	if len(c.Directory) == 0 {
		return nil, nil
	}
	if c.DirectorySigner == "" {
		return nil, errors.New("--directory: name the certificate that signs it with --directory-signer: a directory that anybody may have written proves nothing")
	}
	signers, err := readCertificates(c.DirectorySigner)
	if err != nil {
		return nil, fmt.Errorf("--directory-signer: %w", err)
	}
	var all []*directory.Directory
	for _, name := range c.Directory {
		d, err := openDirectory(name, signers)
		if err != nil {
			return nil, fmt.Errorf("--directory: %s: %w", name, err)
		}
		all = append(all, d)
	}
	return evidence.NewDirectories(all...), nil
}

// openDirectory opens a directory that one of the signers has signed.
func openDirectory(name string, signers []*x509.Certificate) (*directory.Directory, error) {
	octets, err := readBounded(name, directory.MaxSize)
	if err != nil {
		return nil, err
	}
	var all error
	for _, signer := range signers {
		d, err := directory.Open(octets, signer)
		if err == nil {
			return d, nil
		}
		all = errors.Join(all, err)
	}
	return nil, all
}

// maxEvidence bounds a file with CRLs or OCSP responses, and one with certificates.
const maxEvidence = 32 << 20

// revocations is what is known of certificates: from the files, and from the network if that is asked for.
func (c verifyCmd) revocations(ctx context.Context, log *slog.Logger) (func([]*x509.Certificate, time.Time) revocation.Status, error) {
	if len(c.Revocation) == 0 && !c.Network {
		return nil, nil
	}
	known := &revocation.Evidence{}
	for _, name := range c.Revocation {
		octets, err := readBounded(name, maxEvidence)
		if err == nil {
			known, err = known.With(octets)
		}
		if err != nil {
			return nil, fmt.Errorf("--revocation: %s: %w", name, err)
		}
	}
	if !c.Network {
		return known.Path, nil
	}
	n := &asking{ctx: ctx, log: log, known: known, fetcher: revocation.NewFetcher(revocation.NewClient(revocation.Public)), asked: map[string]error{}}
	return n.path, nil
}

// asking is what is known of revoked certificates and grows from the network: each path is asked about once.
type asking struct {
	ctx     context.Context
	log     *slog.Logger
	known   *revocation.Evidence
	fetcher *revocation.Fetcher
	asked   map[string]error // by the certificates of the path
}

func (n *asking) path(path []*x509.Certificate, at time.Time) revocation.Status {
	status := n.known.Path(path, at)
	if status.State != revocation.Unknown {
		return status
	}
	var key []byte
	for _, c := range path {
		key = append(key, c.Raw...)
	}
	why, before := n.asked[string(key)]
	if !before {
		var blobs [][]byte
		if blobs, why = n.fetcher.Fetch(n.ctx, path, at); why != nil {
			n.log.Warn("not all that is asked about revocation could be had", "error", why)
		}
		n.asked[string(key)] = why
		if more, err := n.known.With(blobs...); err == nil {
			n.known = more
		}
		status = n.known.Path(path, at)
	}
	if status.State == revocation.Unknown && why != nil {
		status.Why = why.Error()
	}
	return status
}

func readBounded(name string, most int64) ([]byte, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	octets, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(octets)) > most {
		err = fmt.Errorf("%s: it is longer than %d octets", name, most)
	}
	return octets, err
}

// readCertificates reads all certificates of a PEM file, or the one of a DER file.
func readCertificates(name string) ([]*x509.Certificate, error) {
	octets, err := readBounded(name, maxEvidence)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for rest := octets; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		certs = append(certs, c)
	}
	if len(certs) > 0 {
		return certs, nil
	}
	c, err := x509.ParseCertificate(octets)
	if err != nil {
		return nil, fmt.Errorf("%s: there is no certificate in it, neither PEM nor DER", name)
	}
	return []*x509.Certificate{c}, nil
}
