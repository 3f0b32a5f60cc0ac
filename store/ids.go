package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// ID names a row: a fact, a message, a content, a mailbox. Six octets of milliseconds keep neighbours together in the
// tables, ten random ones make it unique; nothing is ever read out of it.
type ID [16]byte

// NewID draws an id.
func NewID() ID {
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16)
	// crypto/rand.Read never fails: it ends the process instead.
	rand.Read(id[6:])
	return id
}

// String is the id in 32 hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero tells whether no id was set.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is no id: 32 hex digits are expected", s)
	}
	copy(id[:], b)
	return id, nil
}

// Scan reads the id from a database column; a NULL is the zero id.
func (id *ID) Scan(v any) error {
	switch b := v.(type) {
	case nil:
		*id = ID{}
		return nil
	case []byte:
		if len(b) == len(id) {
			copy(id[:], b)
			return nil
		}
	}
	return fmt.Errorf("a column holds %T where an id of 16 octets is expected", v)
}
