package evidence

import (
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/verify"
)

// Item is one message that was found. What its verdict does not carry is told all the same, for an invalid message has to be
// looked into; only of an ordinary one it is what anybody may have written.
type Item struct {
	Name    string   `json:"name"`             // where it was found
	Parent  string   `json:"parent,omitempty"` // the name of the message that encloses it
	SHA256  string   `json:"sha256"`           // of its octets as they are stored, in hex
	Size    int64    `json:"size"`             // so many
	How     []How    `json:"read_as,omitempty"`
	Verdict Verdict  `json:"verdict"`
	Reasons []Reason `json:"reasons,omitempty"`

	Kind        pec.Kind        `json:"kind,omitempty"` // of the certification data; "errore" for an anomaly envelope
	Provider    string          `json:"provider,omitempty"`
	At          *time.Time      `json:"at,omitempty"` // the instant that the provider certifies
	Sender      string          `json:"sender,omitempty"`
	Recipients  []To            `json:"recipients,omitempty"`
	About       []string        `json:"about,omitempty"` // the recipients that a receipt is about
	Subject     string          `json:"subject,omitempty"`
	ID          pec.ID          `json:"identifier,omitempty"` // that the provider gave to the message
	ClientID    string          `json:"client_message_id,omitempty"`
	ReceiptType pec.ReceiptType `json:"receipt_type,omitempty"`
	Error       pec.Reason      `json:"error,omitempty"`
	Detail      string          `json:"error_detail,omitempty"`

	Signature  *Signature  `json:"signature,omitempty"`
	Directory  *InForce    `json:"directory,omitempty"`
	Revocation *Revocation `json:"revocation,omitempty"`
	Notes      []Remark    `json:"notes,omitempty"`
	NotShown   []Limit     `json:"not_shown,omitempty"`

	final   bool // an overdue notice that is the last one
	inside  bool
	wrapped bool   // it is in an anomaly envelope, which says that it is not right
	bareLF  bool   // it was read as it is stored, with such line ends
	act     string // who signed which octets; "" if nobody did
	source  source
	refers  []string // ordinary: the identifiers by which certified mail may speak of it
	strange bool     // a receipt that does not fit what it is about: it counts for nothing
}

// How is what was done to stored octets to read them as they were on the wire.
type How string

// The ways.
const (
	LinesRestored How = "line-ends-restored" // bare line feeds became CRLF
	Unescaped     How = "mbox-unescaped"     // ">From " became "From "
	Decoded       How = "attachment-decoded" // it was an attachment in base64 or quoted-printable
	PartOnly      How = "part-of-another"    // it was found without its own header
	LeadRemoved   How = "lead-removed"       // a byte order mark or empty lines stood before its header
)

// To is a recipient and what the sender's provider said of his domain.
type To struct {
	Address string            `json:"address"`
	Type    pec.RecipientType `json:"type"`
}

// Signature is one that verifies.
type Signature struct {
	At     *time.Time    `json:"at,omitempty"` // as the signer says
	Digest string        `json:"digest"`
	Signed string        `json:"signed_sha256"` // SHA-256 of the signed octets, in hex
	Signer Certificate   `json:"signer"`
	Path   []Certificate `json:"path,omitempty"` // from the signer to the anchor, at that instant
	Weak   []Weakness    `json:"weak,omitempty"`
}

// Weakness is what is accepted of old signatures only.
type Weakness string

// The weaknesses.
const (
	WeakDigest      Weakness = "sha1-digest"
	WeakKey         Weakness = "short-key"           // of the signer, RSA below 2048 bits
	WeakAuthority   Weakness = "short-authority-key" // above the signer
	WeakCertificate Weakness = "sha1-certificate"    // below the anchor
)

func weaknesses(of []smime.Weakness) (all []Weakness) {
	for _, w := range of {
		switch w {
		case smime.WeakDigest:
			all = append(all, WeakDigest)
		case smime.WeakKey:
			all = append(all, WeakKey)
		case smime.WeakAuthority:
			all = append(all, WeakAuthority)
		case smime.WeakCertificate:
			all = append(all, WeakCertificate)
		}
	}
	return all
}

// Certificate names one.
type Certificate struct {
	Subject string    `json:"subject"`
	Issuer  string    `json:"issuer"`
	Serial  string    `json:"serial"` // hex
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	SHA256  string    `json:"sha256"`
}

// InForce is the providers' directory that was asked.
type InForce struct {
	SignedAt time.Time `json:"signed_at"`
	ThatDay  bool      `json:"that_day"`           // it was in force when the message was signed
	Provider string    `json:"provider,omitempty"` // whose certificate it is there
}

// Revocation is what was known of the certificates.
type Revocation struct {
	State  revocation.State `json:"state"`
	At     *time.Time       `json:"at,omitempty"` // revoked since
	Reason string           `json:"reason,omitempty"`
	AsOf   *time.Time       `json:"as_of,omitempty"`
	Source string           `json:"source,omitempty"`
	Why    string           `json:"why,omitempty"` // it is unknown
	Later  bool             `json:"later,omitempty"`
}

// Remark is something odd that decides nothing.
type Remark struct {
	Code   verify.Reason `json:"code"`
	Detail string        `json:"detail"`
}

// Certified tells whether the item is certified mail, or says that it is.
func (i *Item) Certified() bool { return i.Verdict != Ordinary }

// counts tells whether a recipient's state may follow from the item: proven by it, or at least told.
func (i *Item) counts(proven bool) bool {
	return !i.strange && !i.wrapped && (i.Verdict == Valid || !proven && i.Verdict == Unknown)
}
