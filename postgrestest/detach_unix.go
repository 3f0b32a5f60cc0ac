//go:build unix

package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// detach keeps the terminal's signals from a command, and has it run as a user who may run a server, to whom dir is given.
func detach(cmd *exec.Cmd, dir string) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := serverUser()
	if err != nil {
		return fmt.Errorf("find a user for the server, which refuses to run as root: %w", err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	return os.Chown(dir, int(uid), int(gid))
}

func serverUser() (uid, gid uint32, err error) {
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return 0, 0, err
	}
	u, badUser := strconv.ParseUint(account.Uid, 10, 32)
	g, badGroup := strconv.ParseUint(account.Gid, 10, 32)
	return uint32(u), uint32(g), errors.Join(badUser, badGroup)
}
