package revocation

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// hadHeader of a PEM block has the instant at which the network last gave the piece.
const hadHeader = "Fetched"

// load reads what was saved. Who signed it is looked at when it is used.
func (k *Keeper) load() (pieces []*piece, err error) {
	blob, err := k.c.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	unread := bytes.Count(blob, []byte("-----BEGIN "))
	for block, rest := pem.Decode(blob); block != nil; block, rest = pem.Decode(rest) {
		unread--
		p, err := k.reload(block)
		if err != nil {
			k.c.Log.Error("kept evidence of revocation is not used", "err", err)
			continue
		}
		pieces = append(pieces, p)
	}
	if unread > 0 {
		k.c.Log.Error("kept evidence of revocation is damaged and not used", "blocks", unread)
	}
	return pieces, nil
}

func (k *Keeper) reload(block *pem.Block) (*piece, error) {
	had, err := time.Parse(time.RFC3339, block.Headers[hadHeader])
	if err != nil {
		return nil, fmt.Errorf("read when it was fetched: %w", err)
	}
	p, err := parseDER(block.Bytes)
	if err != nil {
		return nil, err
	}
	return k.counting(p, had), nil
}

// save keeps what concerns the watched certificates; what was about others is forgotten.
func (k *Keeper) save(links []link) error {
	concerns := func(p *piece) bool {
		return slices.ContainsFunc(links, func(l link) bool {
			return (!p.isAnswer || p.key == serialKey(l.cert.SerialNumber)) && p.signedBy(l.issuer) == nil
		})
	}
	pieces := slices.DeleteFunc(slices.Clone(k.current.Load().pieces), func(p *piece) bool { return !concerns(p) })
	k.putInForce(pieces)
	var blob bytes.Buffer
	for _, p := range pieces {
		kind := "X509 CRL"
		if p.isAnswer {
			kind = "OCSP RESPONSE"
		}
		block := &pem.Block{Type: kind, Headers: map[string]string{hadHeader: instant(p.had)}, Bytes: p.der}
		if err := pem.Encode(&blob, block); err != nil {
			return fmt.Errorf("save evidence of revocation: %w", err)
		}
	}
	if err := k.c.Save(blob.Bytes()); err != nil {
		return fmt.Errorf("save evidence of revocation: %w", err)
	}
	return nil
}
