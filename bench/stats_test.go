package bench

import "testing"

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{7}, 0, 7}, {[]float64{7}, 0.5, 7}, {[]float64{7}, 1, 7},
		{[]float64{3, 1, 2}, 0, 1}, {[]float64{3, 1, 2}, 0.5, 2}, {[]float64{3, 1, 2}, 1, 3},
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100},
		{hundred[:50], 0.99, 100}, // 50 values: the largest
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile %g of %d values: got %g, want %g", c.q, len(c.values), got, c.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("quantile changed the order of its argument")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{4}, 4}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}, {[]float64{8, 2, 4, 1}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: got %g, want %g", c.values, got, c.want)
		}
	}
}

func TestShareAddsUp(t *testing.T) {
	for _, n := range []int{1, 4, 5, 7, 300} {
		sum := 0
		for i := range rounds {
			sum += share(n, rounds, i)
		}
		if sum != n {
			t.Errorf("%d shared among %d: %d in all", n, rounds, sum)
		}
	}
	if share(7, 7, 6) != 1 {
		t.Error("one each was not shared as one each")
	}
}
