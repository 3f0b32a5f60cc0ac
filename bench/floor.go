package bench

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"runtime"
	"time"
)

const (
	floorTime   = 100 * time.Millisecond
	floorRounds = 3
)

// measureFloor measures what one core does: the median of a few rounds in turns.
func measureFloor(lasting time.Duration) (Floor, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w := &rsaWork{digest: sha256.Sum256([]byte("ceralacca"))}
	var err error
	if w.key, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
		return Floor{}, err
	}
	block := make([]byte, 1_000_000)
	hash := func() error { sha256.Sum256(block); return nil }
	var sign, verify, megabytes []float64
	for range floorRounds {
		for _, x := range []struct {
			do     func() error
			values *[]float64
		}{{w.sign, &sign}, {w.verify, &verify}, {hash, &megabytes}} {
			perSecond, err := rate(x.do, lasting)
			if err != nil {
				return Floor{}, err
			}
			*x.values = append(*x.values, perSecond)
		}
	}
	return Floor{Signatures: median(sign), Verifications: median(verify), SHA256: median(megabytes)}, nil
}

// rate is how often do can be done in a second of the thread's CPU.
func rate(do func() error, lasting time.Duration) (float64, error) {
	n := 0
	used, err := threadTime(func() error {
		for until := time.Now().Add(lasting); time.Now().Before(until); n++ {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(n) / used.Seconds(), err
}
