package sandbox

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

// crlPath is where the control port has the list of the certificates that the sandbox's authority has revoked.
const crlPath = "/ca.crl"

// privilegeWithdrawn is the reason that the list gives (RFC 5280 5.3.1).
const privilegeWithdrawn = 9

// crlURL stands in the certificates, and in the configurations too: ports may be others at the next start.
func (p *plan) crlURL() string { return "http://" + p.control + crlPath }

// withdrawn are the certificates that the providers sign with when they have the fault `revoked`. They were revoked a minute after
// they were issued.
func (m *material) withdrawn(p *plan) (entries []x509.RevocationListEntry, err error) {
	for _, pp := range p.providers {
		cert, err := readCertificate(filepath.Join(m.dir, pp.revokedCert))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pp.revokedCert, err)
		}
		entries = append(entries, x509.RevocationListEntry{
			SerialNumber: cert.SerialNumber, RevocationTime: cert.NotBefore.Add(time.Minute), ReasonCode: privilegeWithdrawn,
		})
	}
	return entries, nil
}

// revocationList is signed anew for whoever asks. Its number is the second of the law's clock, which only grows.
func (s *Sandbox) revocationList(w http.ResponseWriter, r *http.Request) {
	now := s.clock.Now()
	der, err := s.material.ca.CRL(s.withdrawn, now.Unix(), now, now.Add(24*time.Hour))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	w.Write(der) // if the client went away there is nobody to tell
}
