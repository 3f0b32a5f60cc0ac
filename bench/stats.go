package bench

import (
	"math"
	"slices"
	"time"
)

// quantile is the smallest value that at least the share q of the values does not exceed. There must be a value.
func quantile[T float64 | time.Duration](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// median of an even number of values is the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// share is how many of n things the i-th of parts gets.
func share(n, parts, i int) int { return n*(i+1)/parts - n*i/parts }

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// each is one figure of each of some things.
func each[T any](things []T, figure func(T) float64) []float64 {
	var values []float64
	for _, x := range things {
		values = append(values, figure(x))
	}
	return values
}
