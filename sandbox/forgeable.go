package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ceralacca/ceralacca/authority"
)

// makeForgeable makes the certificates that a provider signs with when it does wrong, if they are not there: one that has expired,
// one that is not in the directory, and one that is revoked. All are of its own key.
func makeForgeable(dir string, p *plan, pp *providerPlan) error {
	signing, err := readCertificate(filepath.Join(dir, pp.signingCert))
	if err != nil {
		return fmt.Errorf("%s: %w", pp.signingCert, err)
	}
	m := &maker{dir: dir}
	for name, until := range map[string]time.Time{pp.expiredCert: signing.NotBefore.Add(time.Minute), pp.unlistedCert: {}, pp.revokedCert: {}} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			continue
		}
		ca, err := loadCA(dir)
		if err != nil {
			return err
		}
		cert, _, err := ca.IssueProvider(authority.ProviderRequest{
			Provider: pp.name, Address: pp.signing(), PublicKey: signing.PublicKey, At: signing.NotBefore, Until: until, CRLs: []string{p.crlURL()},
		})
		m.write(name, cert, err)
	}
	return m.err
}

func loadCA(dir string) (*authority.CA, error) {
	cert, err := os.ReadFile(filepath.Join(dir, caName))
	key, kerr := os.ReadFile(filepath.Join(dir, caKeyName))
	if err := errors.Join(err, kerr); err != nil {
		return nil, err
	}
	return authority.LoadCA(cert, key)
}
