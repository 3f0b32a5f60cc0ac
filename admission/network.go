package admission

import "net/netip"

// NetworkOf is what one peer is to the limits: an IPv4 address, an IPv6 /64 network, or whatever else an address is. The
// address may have a port.
func NetworkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		peer, err := netip.ParseAddrPort(address)
		if err != nil {
			return address
		}
		ip = peer.Addr()
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
