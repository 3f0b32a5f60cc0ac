package dialect

import (
	"crypto/sha256"
	"crypto/x509"
)

// attributeMaker makes a signed attribute that an engine adds (quirks.md E7).
type attributeMaker func(cmsStyle, *x509.Certificate) []byte

// The types of attributes, in DER.
const (
	oidContentType         = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"
	oidMessageDigest       = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"
	oidSigningTime         = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05"
	oidCapabilities        = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0f"
	oidAlgorithmProtection = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x34"
	oidEncryptionKey       = "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x0b"
	oidSigningCertificate  = "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x2f"
	oidMicrosoftKey        = "\x06\x09\x2b\x06\x01\x04\x01\x82\x37\x10\x04"

	oid3DES = "\x06\x08\x2a\x86\x48\x86\xf7\x0d\x03\x07"
	oidRC2  = "\x06\x08\x2a\x86\x48\x86\xf7\x0d\x03\x02"
)

func attribute(id string, value []byte) []byte {
	return der(tagSequence, []byte(id), der(tagSet, value))
}

// capabilities are triple DES and RC2 of 128 bits, as in the years of these engines.
func capabilities(cmsStyle, *x509.Certificate) []byte {
	return attribute(oidCapabilities, der(tagSequence,
		der(tagSequence, []byte(oid3DES)),
		der(tagSequence, []byte(oidRC2), []byte{0x02, 0x02, 0x00, 0x80}),
	))
}

// encryptionKeyPreference names the signing certificate (RFC 8551 2.5.3).
func encryptionKeyPreference(_ cmsStyle, c *x509.Certificate) []byte {
	return attribute(oidEncryptionKey, der(tag0, c.RawIssuer, serial(c)))
}

func microsoftKeyPreference(_ cmsStyle, c *x509.Certificate) []byte {
	return attribute(oidMicrosoftKey, issuerAndSerial(c))
}

// signingCertificate is ESS signing-certificate-v2 with the hash alone (RFC 5035 3).
func signingCertificate(_ cmsStyle, c *x509.Certificate) []byte {
	hash := sha256.Sum256(c.Raw)
	return attribute(oidSigningCertificate, der(tagSequence, der(tagSequence, der(tagSequence, der(tagOctets, hash[:])))))
}

// algorithmProtection repeats the algorithms (RFC 6211 2).
func algorithmProtection(s cmsStyle, _ *x509.Certificate) []byte {
	signature := s.signatureAlgorithm()
	signature[0] = tag1
	return attribute(oidAlgorithmProtection, der(tagSequence, s.digestAlgorithm(), signature))
}

func issuerAndSerial(c *x509.Certificate) []byte {
	return der(tagSequence, c.RawIssuer, serial(c))
}

// serial is the positive INTEGER.
func serial(c *x509.Certificate) []byte {
	octets := c.SerialNumber.Bytes()
	if len(octets) == 0 || octets[0] >= 0x80 {
		octets = append([]byte{0}, octets...)
	}
	return der(0x02, octets)
}
