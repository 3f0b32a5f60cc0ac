package imapd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ceralacca/ceralacca/pec"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := samples()
	h.put(t, "INBOX", all["transport"])                                     // 1
	h.put(t, "INBOX", all["inner"], `\Seen`, "Lavoro")                      // 2
	h.put(t, "INBOX", all["plain"], `\Deleted`, `\Flagged`)                 // 3
	h.put(t, "INBOX", all["eight bit"], `\Answered`, `\Draft`)              // 4
	h.put(t, "INBOX", all["long"]+"in fondo\r\n")                           // 5
	h.put(t, "INBOX", crlf("Subject: da togliere\n\nx\n"), "$Forwarded")    // 6
	h.put(t, "INBOX", crlf("Subject: =?x?Q?y?=\nTo: tutti@x\n\nnulla\n\n")) // 7
	c := h.login(t, "INBOX")
	c.ok("UID STORE 6 +FLAGS.SILENT (\\Deleted)")
	c.ok("UID EXPUNGE 6")
	today := time.Now().In(pec.Rome())
	day := func(days int) string { return today.AddDate(0, 0, days).Format("2-Jan-2006") }
	cases := []struct{ keys, want string }{
		{"ALL", "1 2 3 4 5 6"}, {"1:2,5", "1 2 5"}, {"*", "6"}, {"6:*", "6"}, {"99:*", "6"}, {"UID 7", "6"}, {"UID 6", ""}, {"UID 8:*", "6"},
		{"SEEN", "2"}, {"UNSEEN", "1 3 4 5 6"}, {"DELETED", "3"}, {"UNDELETED FLAGGED", ""}, {"FLAGGED", "3"}, {"UNFLAGGED 1:3", "1 2"},
		{"ANSWERED DRAFT", "4"}, {"UNANSWERED UNDRAFT 3:4", "3"}, {"KEYWORD lavoro", "2"}, {"UNKEYWORD Lavoro", "1 3 4 5 6"},
		{"RECENT", ""}, {"NEW", ""}, {"OLD", "1 2 3 4 5 6"},
		{"LARGER 100000", "5"}, {"SMALLER 60", "3 4 6"}, {"NOT SMALLER 60 LARGER 1500", "1 5"},
		{"ON " + day(0), "1 2 3 4 5 6"}, {"SINCE " + day(1), ""}, {"BEFORE " + day(1), "1 2 3 4 5 6"}, {"BEFORE " + day(0), ""},
		{"SENTON 10-Nov-2026", "1 2"}, {"SENTSINCE 11-Nov-2026", ""}, {"SENTBEFORE 11-Nov-2026", "1 2"}, {"SENTSINCE 10-Nov-2026", "1 2"},
		{"FROM anna@pec", "1 2"}, {`FROM "Anna Citt` + "\u00c0" + `"`, "2"}, {"TO beta", "1 2"}, {"CC x", ""}, {"BCC x", ""},
		{"SUBJECT " + "citt\u00e0", "1 2 4"}, {"SUBJECT {6+}\r\nCITT\u00c0", "1 2 4"}, {`SUBJECT ""`, "1 2 3 4 5 6"}, {`HEADER To ""`, "1 2 6"},
		{"HEADER Message-ID opec1", "1"}, {"HEADER X-Trasporto POSTA-certificata", "1"}, {"HEADER Nope x", ""},
		{`BODY "all'uva"`, "1 2"}, {"BODY \"PERCH\u00c9\"", "1 2 4"}, {"BODY posta-certificata", ""}, {"BODY fattura.pdf", "1 2"}, {`BODY "%PDF"`, ""},
		{`BODY "in fondo"`, "5"}, {"BODY XYZ", ""}, {`BODY "due righe"`, "3"}, {`BODY "una rigadue"`, ""}, {`BODY ""`, "1 2 3 4 5 6"},
		{"TEXT posta-certificata", "1"}, {"TEXT semplice", "3"}, {`TEXT "0123456789ABCDEF" TEXT fondo`, "5"}, {`BODY volpe TEXT "POSTA CERT"`, "1"},
		{"OR SEEN FLAGGED", "2 3"}, {"NOT SEEN NOT FLAGGED", "1 4 5 6"}, {"NOT (SEEN FLAGGED)", "1 2 3 4 5 6"}, {"(OR (SEEN) (BODY fondo)) 5", "5"},
		{"OR OR SEEN FLAGGED NOT 1:*", "2 3"}, {"CHARSET UTF-8 SUBJECT semplice", "3"}, {"CHARSET us-ascii ALL 1", "1"},
	}
	for _, cs := range cases {
		c.wantLines("SEARCH "+cs.keys, strings.TrimSpace("* SEARCH "+cs.want))
	}
	c.wantLines("UID SEARCH NOT 1:5", "* SEARCH 7")
	c.wantLines("SEARCH RETURN (MIN MAX COUNT) UNSEEN", `* ESEARCH (TAG "`+c.nextTag()+`") MIN 1 MAX 6 COUNT 5`)
	c.wantLines("UID SEARCH RETURN (ALL) UNSEEN", `* ESEARCH (TAG "`+c.nextTag()+`") UID ALL 1,3:5,7`)
	c.wantLines("SEARCH RETURN () KEYWORD nessuna", `* ESEARCH (TAG "`+c.nextTag()+`")`)

	c.ok("SEARCH RETURN (SAVE COUNT) UNSEEN")
	c.wantLines("FETCH $ UID", "* 1 FETCH (UID 1)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)", "* 5 FETCH (UID 5)", "* 6 FETCH (UID 7)")
	c.wantLines("UID SEARCH $ BODY fondo", "* SEARCH 5")
	c.ok("SEARCH RETURN (SAVE MIN MAX) ALL")
	c.wantLines("UID SEARCH UID $", "* SEARCH 1 7")

	c.want("SEARCH CHARSET KOI8-R ALL", "NO [BADCHARSET]")
	c.want("SEARCH "+strings.Repeat("NOT ", 20)+"ALL", "NO [LIMIT]") // attacks.md 27
	c.want("SEARCH "+strings.Repeat("BODY x ", 21), "NO [LIMIT]")
	c.want("SEARCH "+strings.Repeat("SEEN ", 1001), "NO [LIMIT]")
	c.want("SEARCH "+strings.Repeat("OR ALL ", 5000)+"ALL", "NO [LIMIT]")
}

// nextTag is the tag of the next command, which ESEARCH repeats.
func (c *client) nextTag() string { return fmt.Sprintf("t%d", c.tags+1) }

// TestFinder compares with strings.Contains, the text cut anywhere.
func TestFinder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		letters := rapid.SampledFrom([]rune("aAbà"))
		text := rapid.StringOfN(letters, 0, 40, -1).Draw(rt, "text")
		needles := rapid.SliceOfN(rapid.StringOfN(letters, 0, 5, -1), 1, 3).Draw(rt, "needles")
		f := newFinder(needles)
		eachRune(strings.NewReader(text), func(r rune) bool {
			f.rune(r)
			return true
		})
		want := 0
		for _, n := range needles {
			if !strings.Contains(strings.ToLower(text), strings.ToLower(n)) {
				want++
			}
		}
		if f.missing != want {
			rt.Errorf("%q in %q: %d missing, want %d", needles, text, f.missing, want)
		}
	})
}
