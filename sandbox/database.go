package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// database is the URL of one part's schema, or "" if the data are in the directory. The name is of the directory: another
// sandbox on the same database has others.
func (o Options) database(part string) (string, error) {
	if o.Database == "" {
		return "", nil
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(o.Database)
	if err != nil || u.Scheme == "" {
		return "", fmt.Errorf("--database: a URL is needed, such as postgres://USER@HOST/NAME")
	}
	q := u.Query()
	sum := sha256.Sum256([]byte(dir))
	q.Set("search_path", fmt.Sprintf("ceralacca_%x_%s", sum[:4], part))
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// discardSchemas removes what the database has of an earlier sandbox, if the directory is a new one.
func (s *Sandbox) discardSchemas(ctx context.Context) error {
	marker, err := os.ReadFile(s.path(markerName))
	if s.o.Database == "" || string(marker) == markerComplete {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return Discard(ctx, s.o.Dir, s.o.Database)
}
