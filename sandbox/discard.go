package sandbox

import (
	"context"

	"github.com/ceralacca/ceralacca/store"
)

// Discard removes what the sandbox of that directory has in the database of that URL, and nothing else there. It refuses
// what is in use, as it is while the sandbox runs. The directory itself is left alone, and need not be there any more.
func Discard(ctx context.Context, dir, database string) error {
	o := Options{Dir: dir, Database: database}
	for _, part := range []string{"alfa", "beta", "outside"} {
		u, err := o.database(part)
		if err != nil {
			return err
		}
		if u == "" {
			return nil
		}
		if err := store.Discard(ctx, u); err != nil {
			return err
		}
	}
	return nil
}
