package authority

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// CRL signs the list of all certificates of this authority that are revoked (RFC 5280 5), in DER, as of at; the next one is promised for next. number
// must grow from list to list (RFC 5280 5.2.3).
func (ca *CA) CRL(revoked []x509.RevocationListEntry, number int64, at, next time.Time) ([]byte, error) {
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		RevokedCertificateEntries: revoked,
		SignatureAlgorithm:        x509.SHA256WithRSA,
		Number:                    big.NewInt(number),
		ThisUpdate:                at,
		NextUpdate:                next,
	}, ca.certificate, ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign CRL %d of %s: %w", number, ca.certificate.Subject, err)
	}
	return der, nil
}
