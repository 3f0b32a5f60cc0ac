package mailfile

import (
	"errors"
	"fmt"
)

// Obstacle says in a word why a file gave no message, or not all of them. It does not change between versions.
type Obstacle string

// The obstacles.
const (
	NoMail     Obstacle = "no-mail"    // it holds none
	Empty      Obstacle = "empty"      // it holds nothing
	Outlook    Obstacle = "outlook"    // a .msg or a store of Outlook, which keeps no octets of mail
	AppleMail  Obstacle = "apple-mail" // Apple Mail's own form
	Packed     Obstacle = "packed"     // packed in a way that is not opened here
	Binary     Obstacle = "binary"     // named like mail and binary
	Misnamed   Obstacle = "misnamed"   // named like something else than it is
	Linked     Obstacle = "link"       // a link to a folder
	Locked     Obstacle = "password"   // protected by one
	Damaged    Obstacle = "damaged"    // an archive that cannot be read to its end
	TooMuch    Obstacle = "too-much"   // more than the bounds of a walk
	Unreadable Obstacle = "unreadable" // the system did not let it be read
)

// obstacleError is an error with its word, where the error says more than always the same.
type obstacleError struct {
	obstacle Obstacle
	err      error
}

func (e *obstacleError) Error() string { return e.err.Error() }
func (e *obstacleError) Unwrap() error { return e.err }

func barred(o Obstacle, format string, args ...any) error {
	return &obstacleError{o, fmt.Errorf(format, args...)}
}

// ObstacleOf is the word for an error that Options.Problem was told, or that Open or reading a message gave.
func ObstacleOf(err error) Obstacle {
	var e *obstacleError
	if errors.As(err, &e) {
		return e.obstacle
	}
	for _, known := range []struct {
		err      error
		obstacle Obstacle
	}{
		{errNoMail, NoMail}, {errEmpty, Empty}, {errOutlook, Outlook}, {errStore, Outlook}, {errApple, AppleMail}, {errPacked, Packed}, {errBinary, Binary},
		{errNotMbox, Misnamed}, {errNotZip, Misnamed}, {errLink, Linked}, {errTotal, TooMuch}, {errDepth, TooMuch}, {errList, TooMuch}, {errOverlap, Damaged},
	} {
		if errors.Is(err, known.err) {
			return known.obstacle
		}
	}
	return Unreadable
}
