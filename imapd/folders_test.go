package imapd

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFolders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.login(t)
	c.wantLines(`LIST "" ""`, `* LIST (\Noselect) "/" ""`)
	c.wantLines(`LIST "" "*"`,
		`* LIST (\HasNoChildren) "/" INBOX`, `* LIST (\HasNoChildren \Drafts) "/" "Bozze"`,
		`* LIST (\HasNoChildren \Trash) "/" "Cestino"`, `* LIST (\HasNoChildren \Sent) "/" "Inviata"`)

	c.ok(`CREATE Clienti/2026/Rossi`)
	c.ok(`CREATE "Citt&AOA-/"`)
	c.ok(`CREATE archivio (USE (\Archive))`)
	c.ok(`CREATE inbox/Sotto`)
	c.want(`CREATE Clienti/2026`, "NO [ALREADYEXISTS]")
	c.want(`CREATE INBOX`, "NO [ALREADYEXISTS]")
	c.want(`CREATE x (USE (\All))`, "NO [USEATTR]")
	c.wantLines(`LIST "" %`,
		`* LIST (\HasChildren) "/" INBOX`, `* LIST (\HasNoChildren \Drafts) "/" "Bozze"`, `* LIST (\HasNoChildren \Trash) "/" "Cestino"`,
		`* LIST (\HasNoChildren) "/" "Citt&AOA-"`, `* LIST (\HasChildren) "/" "Clienti"`,
		`* LIST (\HasNoChildren \Sent) "/" "Inviata"`, `* LIST (\HasNoChildren \Archive) "/" "archivio"`)
	c.wantLines(`LIST "" inbox`, `* LIST (\HasChildren) "/" INBOX`)
	c.wantLines(`LIST "Clienti/" %`, `* LIST (\HasChildren) "/" "Clienti/2026"`)
	c.wantLines(`LIST "" (Clienti/% INBOX/*)`, `* LIST (\HasChildren) "/" "Clienti/2026"`, `* LIST (\HasNoChildren) "/" "INBOX/Sotto"`)
	c.wantLines(`LIST (SPECIAL-USE) "" *`, `* LIST (\HasNoChildren \Drafts) "/" "Bozze"`,
		`* LIST (\HasNoChildren \Trash) "/" "Cestino"`, `* LIST (\HasNoChildren \Sent) "/" "Inviata"`, `* LIST (\HasNoChildren \Archive) "/" "archivio"`)
	c.wantLines(`LIST "" Cest* RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN SIZE RECENT DELETED))`,
		`* LIST (\HasNoChildren \Subscribed \Trash) "/" "Cestino"`, `* STATUS "Cestino" (MESSAGES 0 UNSEEN 0 DELETED 0 SIZE 0 RECENT 0)`)
	c.wantLines("NAMESPACE", `* NAMESPACE (("" "/")) NIL NIL`)

	c.ok("UNSUBSCRIBE Clienti")
	c.ok("UNSUBSCRIBE Clienti/2026")
	c.ok("UNSUBSCRIBE mai-esistita")
	c.want("SUBSCRIBE mai-esistita", "NO [NONEXISTENT]")
	c.wantLines(`LSUB "" Clienti*`, `* LSUB (\HasNoChildren \Subscribed) "/" "Clienti/2026/Rossi"`)
	c.wantLines(`LSUB "" %i`, `* LSUB (\Noselect) "/" "Clienti"`)
	c.wantLines(`LIST (SUBSCRIBED RECURSIVEMATCH) "" Clien%`, `* LIST (\HasChildren) "/" "Clienti" (CHILDINFO ("SUBSCRIBED"))`)
	c.ok("SUBSCRIBE Clienti")
	c.wantLines(`LSUB "" %i`, `* LSUB (\HasChildren \Subscribed) "/" "Clienti"`)

	c.want("DELETE Clienti", "NO [HASCHILDREN]")
	c.want("DELETE INBOX", "NO [CANNOT]")
	c.want("DELETE mai-esistita", "NO [NONEXISTENT]")
	c.ok("DELETE archivio")
	c.want("RENAME Clienti Clienti/sotto", "NO [CANNOT]")
	c.want("RENAME Clienti Bozze", "NO [ALREADYEXISTS]")
	c.want("RENAME mai-esistita x", "NO [NONEXISTENT]")
	c.ok("RENAME Clienti Vecchi/Tutti")
	c.wantLines(`LIST "" Vecchi*`, `* LIST (\HasChildren) "/" "Vecchi"`, `* LIST (\HasChildren) "/" "Vecchi/Tutti"`,
		`* LIST (\HasChildren) "/" "Vecchi/Tutti/2026"`, `* LIST (\HasNoChildren) "/" "Vecchi/Tutti/2026/Rossi"`)

	h.put(t, "INBOX", "x\r\n\r\n", `\Seen`, "parola")
	c.ok("RENAME INBOX Svuotata")
	c.wantLines("STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 0)")
	c.wantLines("STATUS Svuotata (MESSAGES UNSEEN UIDNEXT APPENDLIMIT)", `* STATUS "Svuotata" (MESSAGES 1 UIDNEXT 2 UNSEEN 0 APPENDLIMIT 20971520)`)
	c.want("STATUS mai-esistita (MESSAGES)", "NO [NONEXISTENT]")
	c.want("SELECT mai-esistita", "NO [NONEXISTENT]")
}

func TestFolderNamesAreRefused(t *testing.T) { // attacks.md 27
	t.Parallel()
	h := newHouse(t)
	for _, name := range []string{
		`""`, `"/"`, `"/a"`, `"a//b"`, `"a/b//"`, "\"a\tb\"", "\"a\x01b\"", "{3+}\r\na\nb", "{3+}\r\na\x00b", `"a&AAo-b"`,
		strings.Repeat("x", 256), strings.Repeat("x/", 20) + "x", `"&AOA-` + strings.Repeat("x", 254) + `"`,
	} {
		for _, command := range []string{"CREATE ", "RENAME Bozze "} {
			// The library closes the connection over a name in a literal that it refuses.
			c := h.login(t)
			if untagged, tagged := c.do(command + name); strings.HasPrefix(tagged, "OK") {
				t.Errorf("%s%.80q: %q %q", command, name, untagged, tagged)
			}
			c.leave()
		}
	}
	c := h.login(t)
	if got := c.ok(`LIST "" *`); len(got) != 4 {
		t.Errorf("%q", got)
	}
	c.ok("CREATE " + strings.Repeat("x/", 19) + "x")
	c.ok(`CREATE "../../etc/passwd"`) // a name like any other: no path is made of it
	c.ok("CREATE a/b/c")
	c.want("RENAME a "+strings.Repeat("y/", 18)+"y", "NO [LIMIT]")
}

// TestMatches compares with regular expressions.
func TestMatches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("ab/*%")), 0, 8, -1).Draw(rt, "pattern")
		name := rapid.StringOfN(rapid.SampledFrom([]rune("ab/")), 0, 10, -1).Draw(rt, "name")
		re := regexp.MustCompile("^" + strings.NewReplacer("*", ".*", "%", "[^/]*").Replace(regexp.QuoteMeta(pattern)) + "$")
		re = regexp.MustCompile(strings.ReplaceAll(re.String(), `\.*`, ".*"))
		if got := matches(pattern, name); got != re.MatchString(name) {
			rt.Errorf("pattern %q, name %q: %v, not as %s", pattern, name, got, re)
		}
	})
}

func TestMatchesTakesNoTime(t *testing.T) { // attacks.md 27
	t.Parallel()
	if matches(strings.Repeat("*a", 200)+"b", strings.Repeat("a", 255)) {
		t.Error("it does not match")
	}
}
