package pec

import "slices"

// Original is what the system reads from the header of a user's message: who it says wrote it
// and for whom, to be compared with the SMTP paths, and what the certification data repeat.
type Original struct {
	From        []Address
	To, Cc      []Address
	ReplyTo     []Address
	ReplyToRaw  string   // the value, unfolded and decoded
	Bcc         bool     // some Bcc has a value
	MessageIDs  int      // how many Message-ID fields there are
	ClientID    ClientID // the first of them as written; "" if none
	Subject     string   // decoded
	ReceiptType ReceiptType

	// What Check reports:
	Malformed error    // the header is not one; nil if it is
	Repeated  []string // fields that must not come twice, and do
	BadFrom   []string // what stands in From and is no address
	BadTo     []string // the same for To and Cc
}

// singular are the fields that come once at most (RFC 5322 3.6) and that somebody acts on:
// which of two is meant would depend on the reader (attacks.md 2).
func singular() []string {
	return []string{"From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Date"}
}

// ReadOriginal reads a header, also one that came with an error. It never fails: what cannot be
// read is remembered for Check.
func ReadOriginal(h Header) Original {
	o := Original{Malformed: h.fault}
	o.From, o.BadFrom = readLists(h, "From")
	o.To, o.BadTo = readLists(h, "To")
	var bad []string
	o.Cc, bad = readLists(h, "Cc")
	o.BadTo = append(o.BadTo, bad...)
	o.ReplyTo, _ = readLists(h, "Reply-To")
	o.ReplyToRaw = DecodeWords(h.Get("Reply-To"))
	o.Subject = DecodeWords(h.Get("Subject"))
	o.ReceiptType = ParseReceiptType(h.Get(HeaderReceiptType))
	o.Bcc = slices.ContainsFunc(h.Values("Bcc"), func(v string) bool { return v != "" })
	o.MessageIDs = len(h.Values("Message-ID"))
	o.ClientID = ClientID(h.Get("Message-ID"))
	for _, name := range singular() {
		if len(h.Values(name)) > 1 {
			o.Repeated = append(o.Repeated, name)
		}
	}
	return o
}

func readLists(h Header, name string) (addresses []Address, bad []string) {
	for _, value := range h.Values(name) {
		a, b := readAddressList(value)
		addresses = append(addresses, a...)
		bad = append(bad, b...)
	}
	return addresses, bad
}

// Role tells from the header of an original whether a recipient is a primary one, who gets the
// receipt that the sender asked for, or one in copy, who gets the concise one. Who stands only
// in Cc is in copy; whoever stands in To, in both, in neither, or beside something in To that
// cannot be read is primary (RFC 6109 3.3.2.1, norms.md 82).
func Role(header []byte, a Address) (primary bool) {
	h, _ := ParseHeader(header) // a header with a fault has readable fields all the same
	to, bad := readLists(h, "To")
	if len(bad) > 0 || h.fault != nil {
		return true
	}
	cc, _ := readLists(h, "Cc")
	return contains(to, a) || !contains(cc, a)
}

func contains(list []Address, a Address) bool {
	key := a.Key()
	return slices.ContainsFunc(list, func(b Address) bool { return b.Key() == key })
}
