package postgrestest

import (
	"os"
	"testing"
)

// engineVariable chooses the engine of tests that hold for both: "postgres", or nothing for the embedded one.
const engineVariable = "CERALACCA_ENGINE"

// Database is what such a test opens its data with: "" for the embedded engine, or the URL of a schema of its own. `make test`
// runs those tests once with each.
func Database(t testing.TB) string {
	t.Helper()
	switch engine := os.Getenv(engineVariable); engine {
	case "", "sqlite":
		return ""
	case "postgres":
		return URL(t)
	default:
		t.Fatalf("%s is %q: postgres or sqlite is possible", engineVariable, engine)
		return ""
	}
}
