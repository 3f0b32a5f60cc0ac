package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/ceralacca/ceralacca/dispatch"
)

// routes finds where a domain's mail goes: a fixed route, or else its MX. A domain of ours never goes to the network. With
// a fixed route for "*" no DNS is asked (design.md 9).
func (p *Provider) routes(m *material) func(context.Context, string, bool) (dispatch.Route, error) {
	return func(ctx context.Context, domain string, certified bool) (dispatch.Route, error) {
		if _, ours := p.Units.ByDomain(domain); ours {
			return dispatch.Route{}, fmt.Errorf("%s is ours and never goes to the network", domain)
		}
		r := dispatch.Route{Roots: m.relayRoots, Opportunistic: !certified}
		fixed, any := p.fixedRoute(domain), p.fixedRoute("*")
		switch {
		case fixed != nil:
			r.Address, r.TLSName = fixed.Address, fixed.TLSName
			return r, nil
		case any != nil && certified:
			return r, fmt.Errorf("there is no route to the provider of %s", domain)
		case any != nil:
			r.Address, r.TLSName = any.Address, any.TLSName
			return r, nil
		}
		host, err := lookupMX(ctx, domain)
		r.Address, r.TLSName = net.JoinHostPort(host, "25"), host
		return r, err
	}
}

func (p *Provider) fixedRoute(domain string) *RouteConfig {
	routes := p.config.Relay.Routes
	i := slices.IndexFunc(routes, func(r RouteConfig) bool { return strings.EqualFold(r.Domain, domain) })
	if i < 0 {
		return nil
	}
	return &routes[i]
}

// lookupMX is the first mail exchanger of a domain, or the domain itself if it has none (RFC 5321 5.1).
func lookupMX(ctx context.Context, domain string) (string, error) {
	mxs, err := net.DefaultResolver.LookupMX(ctx, domain)
	if isNotFound(err) {
		return lookupHost(ctx, domain)
	}
	if err != nil {
		return "", fmt.Errorf("looking up the mail exchangers of %s: %w", domain, err)
	}
	if len(mxs) == 0 {
		return lookupHost(ctx, domain)
	}
	host := strings.TrimSuffix(mxs[0].Host, ".")
	if host == "" {
		return "", dispatch.ErrNullMX
	}
	return host, nil
}

// lookupHost is the domain itself, if it has an address; one that has none does not exist for mail.
func lookupHost(ctx context.Context, domain string) (string, error) {
	_, err := net.DefaultResolver.LookupHost(ctx, domain)
	if isNotFound(err) {
		return "", dispatch.ErrNoDomain
	}
	if err != nil {
		return "", fmt.Errorf("looking up %s: %w", domain, err)
	}
	return domain, nil
}

func isNotFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}
