package postgrestest

import (
	"errors"
	"os/exec"
)

// detach refuses: the server's keeper is a Unix shell.
func detach(*exec.Cmd, string) error {
	return errors.New("a server can be started on Unix only; CERALACCA_POSTGRES may name one that is there")
}
