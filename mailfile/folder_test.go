package mailfile

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// Both kinds of Maildir are read: messages lie in cur and new, subfolders begin with a dot and are Maildirs themselves.
func TestMaildir(t *testing.T) {
	dir := tree(t, map[string]string{
		"Maildir/cur/2.M1.host:2,S":       mail("read"),
		"Maildir/cur/3.M1.host:2,":        "damaged",
		"Maildir/cur/.hidden":             mail("hidden"),
		"Maildir/new/1.M1.host":           mail("new"),
		"Maildir/new/4.M1.host":           "",
		"Maildir/tmp/5.M1.host":           mail("not whole"),
		"Maildir/.Sent/cur/1.M2.host:2,S": mail("sent"),
		"Maildir/.Sent/new/":              "",
		"Maildir/.Sent/tmp/2.M2.host":     mail("not whole"),
		"Maildir/.cache/1.eml":            mail("of a program"),
		"Maildir/dovecot-uidlist":         "3 V1 N2\n",
		"tmp/1.eml":                       mail("no Maildir's tmp"),
		"cur/1":                           "no Maildir's cur",
	})
	h := walk(t, Options{}, dir, "")
	h.wants(t,
		[]string{"Maildir/.Sent/cur/1.M2.host:2,S", "Maildir/cur/2.M1.host:2,S", "Maildir/cur/3.M1.host:2,", "Maildir/new/1.M1.host", "tmp/1.eml"},
		[]string{"Maildir/new/4.M1.host: it is empty"},
		[]string{"Maildir/.Sent/tmp", "Maildir/.cache", "Maildir/cur/.hidden", "Maildir/dovecot-uidlist", "Maildir/tmp", "cur/1"})
}

// A folder that is named is entered whatever its name, and knows that it belongs to a Maildir.
func TestNamedPartOfMaildir(t *testing.T) {
	dir := tree(t, map[string]string{".mail/cur/1": "damaged", ".mail/new/": "", ".mail/tmp/2.eml": mail("x")})
	h := walk(t, Options{}, dir, ".mail/cur", ".mail/tmp")
	h.wants(t, []string{".mail/cur/1", ".mail/tmp/2.eml"}, nil, nil)
}

func TestSymbolicLinks(t *testing.T) {
	dir := tree(t, map[string]string{"a/1.eml": mail("1"), "b/": ""})
	for link, target := range map[string]string{
		"b/loop": "..", "b/round": "round", "b/lost.eml": "nowhere", "b/linked": filepath.Join("..", "a", "1.eml"), "c": "a",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	h := walk(t, Options{}, dir, "", "c")
	h.wants(t, []string{"a/1.eml", "b/linked", "c/1.eml"},
		[]string{"b/loop: a symbolic link to a folder is not followed", "b/lost.eml: it cannot be read", "b/round: it cannot be read", "c: a symbolic link to a folder"}, nil)
}

// What is neither file nor folder is not opened: a pipe would never end.
func TestSpecialFilesArePassedOver(t *testing.T) {
	dir := tree(t, map[string]string{"1.eml": mail("1")})
	t.Chdir(dir) // the name of a socket is short
	socket, err := net.Listen("unix", "2.eml")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	h := walk(t, Options{}, dir, "")
	h.wants(t, []string{"1.eml"}, nil, []string{"2.eml"})
}
