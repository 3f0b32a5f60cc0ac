package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"time"
)

// Volume is what P3 rests on.
type Volume struct {
	Octets int64         `json:"octets"` // of a large message
	Rounds []VolumeRound `json:"rounds"`
}

// VolumeRound is some exchanges of large messages and some of small ones, CPU of the child for one exchange of each, that
// of the database server, and the passes over 1 MiB that this process did in the meantime.
type VolumeRound struct {
	Large       float64 `json:"large_cpu_ms"`
	Small       float64 `json:"small_cpu_ms"`
	LargeServer float64 `json:"large_server_cpu_ms,omitempty"`
	SmallServer float64 `json:"small_server_cpu_ms,omitempty"`
	Hashes      float64 `json:"sha256_passes_ms"`
	Seals       float64 `json:"aes_gcm_passes_ms"`
}

const (
	mebibyte    = 1 << 20
	largeOctets = 10 * mebibyte
	largeEach   = 4 // exchanges of large messages in a round, at once
	smallEach   = 32
	hashPasses  = 7 // design.md 8, P3
	sealPasses  = 5
	tlsRecord   = 16 << 10
)

// perMebibyte is P3 of one round, of the whole with the database server.
func (r VolumeRound) perMebibyte(octets int64, whole bool) float64 {
	extra := r.Large - r.Small
	if whole {
		extra += r.LargeServer - r.SmallServer
	}
	return extra / (float64(octets-messageSize) / mebibyte) / (r.Hashes + r.Seals)
}

func (v *Volume) measures(s Storage) []Measure {
	return s.ofCPU("P3", "extra CPU of a MiB / (7 SHA-256 + 5 AES-GCM of 1 MiB)", atMost(2.5), func(whole bool) []float64 {
		return each(v.Rounds, func(r VolumeRound) float64 { return r.perMebibyte(v.Octets, whole) })
	})
}

// takeVolume measures P3.
func (b *bench) takeVolume(ctx context.Context) ([]Measure, error) {
	v := &Volume{Octets: b.sizes.large}
	w, err := newPasses()
	if err != nil {
		return nil, err
	}
	err = b.within(ctx, func(ctx context.Context, m *meter) error {
		for range b.sizes.volumeRounds {
			r, err := m.volumeRound(ctx, w, v.Octets, b.Limit)
			if err != nil {
				return err
			}
			v.Rounds = append(v.Rounds, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.report.Volume = v
	return v.measures(b.report.Storage), nil
}

func (m *meter) volumeRound(ctx context.Context, w *passes, octets int64, limit time.Duration) (VolumeRound, error) {
	beside := startSampling(w.once)
	large, _, errLarge := m.cost(ctx, func() (int, error) { return m.exchange(ctx, largeEach, limit, m.attached(octets)) })
	small, _, errSmall := m.cost(ctx, func() (int, error) { return m.exchange(ctx, smallEach, limit, m.overKept) })
	hashes, seals, err := beside.stop()
	return VolumeRound{
		milliseconds(large.child), milliseconds(small.child), milliseconds(large.server), milliseconds(small.server),
		milliseconds(hashes), milliseconds(seals),
	}, errors.Join(errLarge, errSmall, err)
}

// passes is what P3 is divided by: SHA-256, and AES-128-GCM in records as TLS 1.3 makes them, over 1 MiB.
type passes struct {
	octets, sealed []byte
	nonce          []byte
	gcm            cipher.AEAD
}

func newPasses() (*passes, error) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &passes{octets: make([]byte, mebibyte), sealed: make([]byte, 0, tlsRecord+gcm.Overhead()), nonce: make([]byte, gcm.NonceSize()), gcm: gcm}, nil
}

// once does all passes, those of SHA-256 first, and returns the CPU of its thread for them.
func (p *passes) once() (hashes, seals time.Duration, err error) {
	return timeBoth(func() error { return repeat(hashPasses, p.hash) }, func() error { return repeat(sealPasses, p.seal) })
}

func (p *passes) hash() error {
	sha256.Sum256(p.octets)
	return nil
}

// seal keeps its nonce: nobody reads what it makes.
func (p *passes) seal() error {
	for at := 0; at < len(p.octets); at += tlsRecord {
		p.gcm.Seal(p.sealed, p.nonce, p.octets[at:at+tlsRecord], nil)
	}
	return nil
}
