package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/ceralacca/ceralacca/pec"
)

// The holder's password is kept as argon2id with 19 MiB and two passes, in the usual text form.
const (
	credentialPassword = "password"
	argonMemory        = 19 << 10
	argonPasses        = 2
	argonKey           = 32
	// MinPassword is the least length of a password, in octets.
	MinPassword = 8
	maxPassword = 1000
)

func hashPassword(password string) (string, error) {
	if len(password) < MinPassword || len(password) > maxPassword {
		return "", fmt.Errorf("a password has between %d and %d octets", MinPassword, maxPassword)
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	return argonText(salt, argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, 1, argonKey)), nil
}

func argonText(salt, key []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemory, argonPasses, enc.EncodeToString(salt), enc.EncodeToString(key))
}

// verifyPassword compares a password with what hashPassword wrote.
func verifyPassword(verifier, password string) bool {
	parts := strings.Split(verifier, "$")
	if len(parts) != 6 {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false
	}
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, 1, argonKey)
	return subtle.ConstantTimeCompare([]byte(argonText(salt, key)), []byte(verifier)) == 1
}

func (b *batch) password(mailbox ID, password string, at time.Time) error {
	verifier, err := hashPassword(password)
	if err != nil {
		return err
	}
	id := NewID()
	b.do(`INSERT INTO credential (id, mailbox, kind, verifier, scope, expires, at) VALUES ($1, $2, $3, $4, '', NULL, $5)`,
		id[:], mailbox[:], credentialPassword, verifier, micros(at))
	return nil
}

// knownLogins remembers successes for ten minutes, as HMAC under a key of this process.
type knownLogins struct {
	key   [32]byte
	slots chan struct{} // argon2id runs one per core

	mu   sync.Mutex
	seen map[ID]knownLogin
}

type knownLogin struct {
	sum   [sha256.Size]byte
	until time.Time
}

const rememberLogin = 10 * time.Minute

func (k *knownLogins) init() {
	rand.Read(k.key[:])
	k.slots = make(chan struct{}, runtime.GOMAXPROCS(0))
	k.seen = map[ID]knownLogin{}
}

// sum is of the password and the credentials as they were read: once those change, by whichever process, it fits no more.
func (k *knownLogins) sum(m Mailbox, password string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, k.key[:])
	h.Write(m.ID[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(m.credentials)))
	h.Write([]byte(password))
	h.Sum(sum[:0])
	return sum
}

func (k *knownLogins) has(mailbox ID, sum [sha256.Size]byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.seen[mailbox]
	return ok && time.Now().Before(l.until) && hmac.Equal(l.sum[:], sum[:])
}

func (k *knownLogins) add(mailbox ID, sum [sha256.Size]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen[mailbox] = knownLogin{sum, time.Now().Add(rememberLogin)}
}

func (k *knownLogins) forget(mailbox ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.seen, mailbox)
}

// Authenticate finds the mailbox that an address and a password open. ErrLogin says no more than that they do not;
// an address that is unknown costs the same work.
func (s *Store) Authenticate(ctx context.Context, address, password string) (Mailbox, error) {
	m, err := s.Mailbox(ctx, pec.Address(address))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return m, err
	}
	sum := s.known.sum(m, password)
	if err == nil && m.Enabled && s.known.has(m.ID, sum) {
		return m, nil
	}
	ok, err := s.passwordOpens(ctx, m.ID, password)
	if err != nil {
		return Mailbox{}, err
	}
	if !ok || !m.Enabled {
		return Mailbox{}, ErrLogin
	}
	s.known.add(m.ID, sum)
	return m, nil
}

// decoyVerifier has the form of a verifier and opens to nothing.
const decoyVerifier = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func (s *Store) passwordOpens(ctx context.Context, mailbox ID, password string) (bool, error) {
	select {
	case s.known.slots <- struct{}{}:
		defer func() { <-s.known.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	verifiers, err := s.verifiers(ctx, mailbox)
	if err != nil {
		return false, err
	}
	if len(verifiers) == 0 {
		verifiers = []string{decoyVerifier}
	}
	for _, v := range verifiers {
		if len(password) <= maxPassword && verifyPassword(v, password) {
			return true, nil
		}
	}
	return false, nil
}

func (s *Store) verifiers(ctx context.Context, mailbox ID) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT verifier FROM credential WHERE mailbox = $1 AND kind = $2 AND (expires IS NULL OR expires > $3)`,
		mailbox[:], credentialPassword, micros(s.now()))
	if err != nil {
		return nil, fmt.Errorf("reading credentials: %w", err)
	}
	defer rows.Close()
	var vs []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("reading credentials: %w", err)
		}
		vs = append(vs, v)
	}
	return vs, rows.Err()
}
