package sandbox

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy is the page's Content-Security-Policy: its own script and style, nothing from elsewhere, and in nobody's frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guarded keeps other sites that a browser on this machine visits from reading or changing anything: the page asks for no
// password.
func guarded(h http.Handler) http.Handler {
	changes := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		if !ownName(r.Host) {
			http.Error(w, languageOf(r).Say(
				"The control page answers to an address such as 127.0.0.1, or to a name that no public DNS can have.",
				"La pagina di controllo risponde a un indirizzo come 127.0.0.1, o a un nome che nessun DNS pubblico può avere."), http.StatusMisdirectedRequest)
			return
		}
		changes.ServeHTTP(w, r)
	})
}

// ownName tells whether a Host field names this machine in a way that another site's name cannot be made to: an attacker
// lets his own name lead to 127.0.0.1 and his page then counts as the same site as ours (DNS rebinding). Addresses are no
// names; a name without a dot, as containers have, and those under localhost and internal are never public (RFC 6761 6.3).
func ownName(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name != "" && (!strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost") || strings.HasSuffix(name, ".internal"))
}
