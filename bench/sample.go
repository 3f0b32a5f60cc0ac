package bench

import (
	"errors"
	"runtime"
	"time"
)

// sample is a piece of work done again and again on a thread of its own, beside a load, so that what a figure is divided
// by was measured while the machine was in the same state. The work has two parts.
type sample struct {
	halt, ended   chan struct{}
	n             int
	first, second time.Duration
	err           error
}

const betweenSamples = 25 * time.Millisecond // they take some 5 ms each

// startSampling begins to do the work, until stop. once returns the CPU that the thread used for each part.
func startSampling(once func() (first, second time.Duration, err error)) *sample {
	s := &sample{halt: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for s.err == nil {
			var first, second time.Duration
			first, second, s.err = once()
			s.n, s.first, s.second = s.n+1, s.first+first, s.second+second
			select {
			case <-s.halt:
				return
			case <-time.After(betweenSamples):
			}
		}
	}()
	return s
}

// stop returns the means for one time. Means, because the program's own CPU is a sum.
func (s *sample) stop() (first, second time.Duration, err error) {
	close(s.halt)
	<-s.ended
	return s.first / time.Duration(s.n), s.second / time.Duration(s.n), s.err
}

func timeBoth(first, second func() error) (a, b time.Duration, err error) {
	a, errA := threadTime(first)
	b, errB := threadTime(second)
	return a, b, errors.Join(errA, errB)
}

func repeat(n int, do func() error) error {
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// threadTime is the CPU that the calling thread uses for do. The goroutine must be locked to it.
func threadTime(do func() error) (time.Duration, error) {
	before, err := threadCPU()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := threadCPU()
	return after - before, err
}
