package provider

import (
	"os"
	"testing"

	"github.com/ceralacca/ceralacca/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }
