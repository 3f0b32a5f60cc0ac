package evidence

import (
	"cmp"
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/directory"
)

// inForce is how long a directory counts as that of the day. The authority publishes one every day; a day of grace is for the
// hour at which it does (norms.md 122).
const inForce = 48 * time.Hour

// Directories are the providers' directories of several days.
type Directories struct{ byTime []*directory.Directory }

// NewDirectories takes directories that were opened, which have verified signatures and times.
func NewDirectories(list ...*directory.Directory) *Directories {
	d := &Directories{slices.Clone(list)}
	slices.SortStableFunc(d.byTime, func(a, b *directory.Directory) int { return a.SignedAt().Compare(b.SignedAt()) })
	return d
}

// For is the directory of an instant: the last one signed before it, if that was in force then. Otherwise it is the nearest one,
// which may say that a provider was there and never that none was.
func (d *Directories) For(at time.Time) (dir *directory.Directory, then bool) {
	if d == nil || len(d.byTime) == 0 {
		return nil, false
	}
	for _, one := range slices.Backward(d.byTime) {
		if age := at.Sub(one.SignedAt()); age >= 0 {
			if age < inForce {
				return one, true
			}
			break
		}
	}
	return slices.MinFunc(d.byTime, func(a, b *directory.Directory) int {
		return cmp.Compare(at.Sub(a.SignedAt()).Abs(), at.Sub(b.SignedAt()).Abs())
	}), false
}
