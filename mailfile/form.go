package mailfile

import (
	"bytes"
	"errors"
	"path"
	"strings"
)

// form is what a file is to a walk.
type form int

const (
	noMail form = iota
	oneMessage
	anMbox
	anArchive
)

// Why a file that may hold mail gives none. Each text says what to do.
var (
	errNoMail  = errors.New("no mail in it: it begins neither like a message nor like an mbox or a zip archive")
	errEmpty   = errors.New("it is empty")
	errOutlook = errors.New("a file of Outlook or Office: save the message as .eml, a .msg keeps no octets to verify")
	errStore   = errors.New("a store of Outlook: save the messages as .eml, it keeps no octets to verify")
	errApple   = errors.New("a message in Apple Mail's own form: drag it out of Mail, or save it as source, to get an .eml")
	errPacked  = errors.New("a packed file that is not opened here: unpack it first")
	errBinary  = errors.New("named like a message, but it holds NUL octets: binary, or saved as UTF-16")
	errNotMbox = errors.New("named .mbox, but it does not begin with \"From \" and a header")
	errNotZip  = errors.New("named .zip, but it does not begin like one")
)

// origin is what the place of a file says about it.
type origin struct {
	base    string // the last element of its name
	named   bool   // the caller named it, it was not found in a folder or an archive
	maildir bool   // it lies in cur or new of a Maildir
}

func (o origin) extension() string { return strings.ToLower(path.Ext(o.base)) }

// classify says what a file is that begins with head. The error says why what may hold mail gives none.
func classify(o origin, head []byte) (form, error) {
	ext := o.extension()
	switch {
	case looksLikeMbox(head):
		return anMbox, nil
	case ext == ".emlx":
		return noMail, errApple
	case LooksLikeMessage(head):
		return oneMessage, nil
	case looksLikeZip(head) && (o.named || ext == ".zip"):
		return anArchive, nil
	}
	if err := unopened(o, head); err != nil {
		return noMail, err
	}
	switch {
	case len(head) == 0 && (o.named || o.mustBeMail()):
		return noMail, errEmpty
	case o.mustBeMail() && bytes.IndexByte(head, 0) >= 0:
		return noMail, errBinary
	case o.mustBeMail():
		return oneMessage, nil
	case ext == ".mbox" && len(head) > 0:
		return noMail, errNotMbox
	case ext == ".zip":
		return noMail, errNotZip
	case o.named:
		return noMail, errNoMail
	}
	return noMail, nil
}

// mustBeMail tells whether the place says that a file is a message, though it begins like none.
func (o origin) mustBeMail() bool { return o.maildir || o.extension() == ".eml" }

// unopened says what to do about forms that may hold mail and are not opened here. Office documents have Outlook's form
// too: found in a folder they are no mail.
func unopened(o origin, head []byte) error {
	ext := o.extension()
	switch {
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")) && (o.named || ext == ".msg" || ext == ".eml"):
		return errOutlook
	case bytes.HasPrefix(head, []byte("!BDN")):
		return errStore
	case looksPacked(head):
		return errPacked
	}
	return nil
}
