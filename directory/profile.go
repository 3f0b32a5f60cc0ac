package directory

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// Extensions that the profile speaks of (RFC 5280 4.2.1).
const (
	oidKeyUsage         = "2.5.29.15"
	oidBasicConstraints = "2.5.29.19"
	oidExtKeyUsage      = "2.5.29.37"
)

// CheckProfile holds a provider's signing certificate against RFC 6109 5.5 and norms.md 113-116: who is told in the subject, the signing address,
// the extensions and which of them are critical, the strength of key and digest. Every fault is one sentence of the error. A provider
// does not start with a certificate that fails (norms.md 117); validity in time is for the caller, who has the clock.
func CheckProfile(cert *x509.Certificate, provider, address string) error {
	return errors.Join(slices.Concat(
		subjectFaults(cert, provider, address),
		extensionFaults(cert),
		strengthFaults(cert),
	)...)
}

// subjectFaults checks RFC 6109 5.5.1.
func subjectFaults(cert *x509.Certificate, provider, address string) (faults []error) {
	names := append([]string{cert.Subject.CommonName}, cert.Subject.Organization...)
	if !slices.ContainsFunc(names, func(name string) bool { return sameName(name, provider) }) {
		faults = append(faults, fmt.Errorf("neither CN nor O of the subject %q is the provider's name %q", cert.Subject, provider))
	}
	if !isAddress(address) || !slices.ContainsFunc(cert.EmailAddresses, func(a string) bool { return lower(a) == lower(address) }) {
		faults = append(faults, fmt.Errorf("the subject alternative name has no address %s, only %q", address, cert.EmailAddresses))
	}
	for _, name := range cert.Subject.Names {
		if value, ok := name.Value.(string); ok && isAddress(value) {
			faults = append(faults, fmt.Errorf("the subject carries an e-mail address: %q", value))
		}
	}
	return faults
}

// extensionFaults checks RFC 6109 5.5.2.
func extensionFaults(cert *x509.Certificate) (faults []error) {
	present := map[string]bool{}
	for _, ext := range cert.Extensions {
		id := ext.Id.String()
		present[id] = true
		if id != oidBasicConstraints && ext.Critical != (id == oidKeyUsage) {
			faults = append(faults, fmt.Errorf("extension %s: critical is %t, must be %t", id, ext.Critical, id == oidKeyUsage))
		}
	}
	fault := func(wrong bool, text string) {
		if wrong {
			faults = append(faults, errors.New(text))
		}
	}
	fault(present[oidBasicConstraints], "the basic constraints extension must be absent")
	fault(!present[oidKeyUsage], "the key usage extension is missing")
	fault(present[oidKeyUsage] && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0, "the key usage lacks digitalSignature")
	fault(len(cert.AuthorityKeyId) == 0, "the authority key identifier is missing")
	fault(len(cert.SubjectKeyId) == 0, "the subject key identifier is missing")
	fault(present[oidExtKeyUsage] && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageEmailProtection),
		"the extended key usage lacks emailProtection")
	return faults
}

// strengthFaults checks norms.md 113.
func strengthFaults(cert *x509.Certificate) (faults []error) {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		faults = append(faults, fmt.Errorf("the key is %s, must be RSA", cert.PublicKeyAlgorithm))
	} else if key.N.BitLen() < 2048 {
		faults = append(faults, fmt.Errorf("the RSA key has %d bits, must have 2048 at least", key.N.BitLen()))
	}
	switch cert.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
	default:
		faults = append(faults, fmt.Errorf("the certificate is signed with %s, must be SHA-256 or stronger", cert.SignatureAlgorithm))
	}
	return faults
}
