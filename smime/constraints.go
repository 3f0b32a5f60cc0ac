package smime

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Extensions of which crypto/x509 does not tell whether they are there, or
// which it reads and this package does not judge (RFC 5280 4.2.1).
const (
	extensionKeyUsage          = "2.5.29.15"
	extensionPolicyMappings    = "2.5.29.33"
	extensionPolicyConstraints = "2.5.29.36"
	extensionExtendedKeyUsage  = "2.5.29.37"
	extensionInhibitAnyPolicy  = "2.5.29.54"
	attributeEmailAddress      = "1.2.840.113549.1.9.1"
)

// checkLeaf checks what the signer's certificate says by itself.
func checkLeaf(c *x509.Certificate, at time.Time) error {
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if hasExtension(c, extensionKeyUsage) && c.KeyUsage&signs == 0 {
		return barred(c, "its key usage excludes signatures")
	}
	return graver(checkExtensions(c), checkDates(c, at))
}

// checkIssuer checks whether a certificate may stand above a path: steps (k) to
// (o) of RFC 5280 6.1.4, (b) and (c) of RFC 5280 6.1.3.
func checkIssuer(below []*x509.Certificate, issuer *x509.Certificate, anchor bool) error {
	if err := checkExtensions(issuer); err != nil {
		return err
	}
	if !isAuthority(issuer, anchor) {
		return barred(issuer, "it is no certification authority")
	}
	if hasExtension(issuer, extensionKeyUsage) && issuer.KeyUsage&x509.KeyUsageCertSign == 0 {
		return barred(issuer, "its key usage excludes the signing of certificates")
	}
	limited := issuer.MaxPathLen > 0 || issuer.MaxPathLen == 0 && issuer.MaxPathLenZero
	if n := authorities(below); limited && n > issuer.MaxPathLen {
		return barred(issuer, fmt.Sprintf("%d authorities are below it, it allows %d", n, issuer.MaxPathLen))
	}
	return checkNames(below, issuer)
}

// isAuthority knows that a certificate of version 1 cannot say what it is. As
// an anchor it need not (the root above the authorities of 2006 to 2010 was of
// that age), below one it is no authority.
func isAuthority(c *x509.Certificate, anchor bool) bool {
	return c.BasicConstraintsValid && c.IsCA || anchor && c.Version == 1 && isSelfIssued(c)
}

// authorities counts the certificates above the first, without those that an
// authority issued to itself (RFC 5280 4.2.1.9).
func authorities(path []*x509.Certificate) (n int) {
	for _, c := range path[1:] {
		if !isSelfIssued(c) {
			n++
		}
	}
	return n
}

func isSelfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// checkExtensions checks what holds for every certificate of a path: it may be
// used for mail, and what it declares critical is understood. The policies of
// certificates are not judged, so whoever makes their constraints critical is
// taken at his word and refused.
func checkExtensions(c *x509.Certificate) error {
	if len(c.UnhandledCriticalExtensions) > 0 {
		return barred(c, fmt.Sprintf("its critical extension %v is not understood", c.UnhandledCriticalExtensions[0]))
	}
	for _, e := range c.Extensions {
		switch e.Id.String() {
		case extensionPolicyMappings, extensionPolicyConstraints, extensionInhibitAnyPolicy:
			if e.Critical {
				return barred(c, fmt.Sprintf("its critical extension %v is not evaluated", e.Id))
			}
		}
	}
	if hasExtension(c, extensionExtendedKeyUsage) && !isForMail(c.ExtKeyUsage) {
		return barred(c, "its extended key usage excludes e-mail protection")
	}
	return nil
}

// isForMail knows any usage too (RFC 5280 4.2.1.12).
func isForMail(usages []x509.ExtKeyUsage) bool {
	return slices.Contains(usages, x509.ExtKeyUsageEmailProtection) || slices.Contains(usages, x509.ExtKeyUsageAny)
}

// checkDates judges by whole seconds, both ends included (RFC 5280 4.1.2.5).
func checkDates(c *x509.Certificate, at time.Time) error {
	at = at.Truncate(time.Second)
	if at.Before(c.NotBefore) {
		return fmt.Errorf("%w: certificate of %q, %v before %v", ErrNotYetValid, c.Subject, at.UTC(), c.NotBefore.UTC())
	}
	if at.After(c.NotAfter) {
		return fmt.Errorf("%w: certificate of %q, %v after %v", ErrExpired, c.Subject, at.UTC(), c.NotAfter.UTC())
	}
	return nil
}

// checkNames holds the names of a path against the name constraints of an
// issuer above it (RFC 5280 4.2.1.10). Constraints on addresses are judged. If
// they are on host names, numbers or URIs, a certificate that has such a name
// is refused: one for mail needs none. What crypto/x509 does not read, names of
// directories above all, is passed over unless it is critical (norms.md 120).
func checkNames(below []*x509.Certificate, issuer *x509.Certificate) error {
	for i, c := range below {
		if i > 0 && isSelfIssued(c) {
			continue
		}
		for _, address := range addresses(c) {
			if !permits(issuer, address) {
				return barred(issuer, fmt.Sprintf("its name constraints exclude %q", address))
			}
		}
		if kind := constrainedKind(c, issuer); kind != "" {
			return barred(issuer, fmt.Sprintf("it constrains %s, and %q has one", kind, c.Subject))
		}
	}
	return nil
}

func constrainedKind(c, issuer *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0 && len(issuer.PermittedDNSDomains)+len(issuer.ExcludedDNSDomains) > 0:
		return "host names"
	case len(c.IPAddresses) > 0 && len(issuer.PermittedIPRanges)+len(issuer.ExcludedIPRanges) > 0:
		return "network addresses"
	case len(c.URIs) > 0 && len(issuer.PermittedURIDomains)+len(issuer.ExcludedURIDomains) > 0:
		return "URIs"
	default:
		return ""
	}
}

// addresses are those of the alternative names and of the subject.
func addresses(c *x509.Certificate) []string {
	found := slices.Clone(c.EmailAddresses)
	for _, name := range c.Subject.Names {
		if value, ok := name.Value.(string); ok && name.Type.String() == attributeEmailAddress {
			found = append(found, value)
		}
	}
	return found
}

func permits(issuer *x509.Certificate, address string) bool {
	permitted, excluded := issuer.PermittedEmailAddresses, issuer.ExcludedEmailAddresses
	if len(permitted)+len(excluded) == 0 {
		return true
	}
	matches := func(constraint string) bool { return matchesAddress(constraint, address) }
	return strings.Contains(address, "@") && !slices.Contains(excluded, "") &&
		!slices.ContainsFunc(excluded, matches) &&
		(len(permitted) == 0 || slices.ContainsFunc(permitted, matches))
}

// matchesAddress knows the three forms of a constraint: an address, a host, and
// with a leading dot all hosts below a domain.
func matchesAddress(constraint, address string) bool {
	at := strings.LastIndexByte(address, '@')
	local, host := address[:at], address[at+1:]
	if i := strings.LastIndexByte(constraint, '@'); i >= 0 {
		return local == constraint[:i] && strings.EqualFold(host, constraint[i+1:])
	}
	if strings.HasPrefix(constraint, ".") {
		before := len(address) - len(constraint)
		return before > 0 && strings.EqualFold(address[before:], constraint)
	}
	return strings.EqualFold(host, constraint)
}

func hasExtension(c *x509.Certificate, id string) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.String() == id })
}

func barred(c *x509.Certificate, why string) error {
	return fmt.Errorf("%w: certificate of %q: %s", ErrConstraint, c.Subject, why)
}
