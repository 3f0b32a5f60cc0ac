package hostile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestMIMEAmbiguity: messages that two readers take apart differently go through as they came: postacert.eml in the envelope
// and in the complete receipt is the original, octet for octet, also when IMAP is asked for that part alone. Who scans or
// shows them later has all that there is (attacks.md 20, 26).
func TestMIMEAmbiguity(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	c := s.submission(t, from)
	all := ambiguous()
	names := slices.Sorted(maps.Keys(all))
	var ids []string
	var letters []letter
	for i, name := range names {
		l := s.plainLetter(from, to)
		l.id = fmt.Sprintf("<ambiguo.%d@client.test>", i)
		header, body, _ := strings.Cut(all[name], "\n\n")
		l.more, l.body = strings.Split(header, "\n"), strings.ReplaceAll(body, "\n", "\r\n")
		for j := range l.more {
			l.more[j] = strings.ReplaceAll(l.more[j], "|", "\r\n ")
		}
		r := c.transaction("<"+from.Address+">", l.to, l.octets())
		if r.pecID() == "" {
			t.Fatalf("%s: %v", name, r)
		}
		ids, letters = append(ids, r.pecID()), append(letters, l)
	}
	for i, o := range s.outcomes(t, from, to, ids) {
		wantOriginal(t, names[i]+", envelope", o.envelope.original, letters[i].octets(), ids[i])
		wantOriginal(t, names[i]+", receipt", o.delivered.original, letters[i].octets(), ids[i])
	}
	s.wantSections(t, to)
	s.wantSections(t, from)
}

// wantSections fetches postacert.eml of every message as a part of its own.
func (s *sandbox) wantSections(t *testing.T, a account) {
	t.Helper()
	c := s.login(t, a)
	found := 0
	for i, octets := range c.messages("INBOX") {
		m := readMessage(t, []byte(octets))
		if m.original == nil {
			continue
		}
		found++
		half := len(m.original) / 2
		for section, want := range map[string]string{
			"[1.3]": string(m.original), fmt.Sprintf("[1.3]<%d.%d>", half, len(m.original)): string(m.original[half:]),
		} {
			rs := c.do("FETCH %d (BODY.PEEK%s)", i+1, section)
			if len(rs) != 1 || len(rs[0].literals) != 1 || rs[0].literals[0] != want {
				t.Errorf("%s: BODY%s of message %d has other octets", a.Address, section, i+1)
			}
		}
	}
	if found == 0 {
		t.Errorf("%s has no original", a.Address)
	}
}

// ambiguous are headers and bodies, their lines ended by LF; a | in a header is a fold.
func ambiguous() map[string]string {
	const zip = "UEsDBAoAAAAAAA=="
	multi := func(more, parts string) string {
		return "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b" + more + "\n\n" + parts
	}
	return map[string]string{
		"two encodings":              "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\n" + zip + "\n",
		"two types":                  "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n",
		"two boundaries":             multi("; boundary=c", "--b\n\nx\n--c\n\ny\n--c--\n--b--\n"),
		"a continued boundary":       "Content-Type: multipart/mixed;| boundary*0=b;| boundary*1=c\n\n--bc\n\nx\n--bc--\n--b\n\ny\n--b--\n",
		"an encoded boundary":        "Content-Type: multipart/mixed; boundary*=us-ascii''%62\n\n--b\n\nx\n--b--\n",
		"a boundary with a comment":  "Content-Type: multipart/mixed; (boundary=c) boundary=b (x)\n\n--c\n\ny\n--b\n\nx\n--b--\n",
		"a boundary in quotes":       "Content-Type: multipart/mixed; boundary=\"b \"\n\n--b \n\nx\n--b --\n",
		"a prefix of the boundary":   multi("b", "--b\n\nx\n--bb\n\ny\n--bbb\n\nz\n--bb--\n"),
		"blanks behind the boundary": multi("", "--b \t\n\nx\n--b--\t \ny\n"),
		"no final boundary":          multi("", "--b\n\nx\n--b\nContent-Disposition: attachment; filename=x.zip\nContent-Transfer-Encoding: base64\n\n"+zip+"\n"),
		"preamble and epilogue":      multi("", "begin 644 x.exe\n#0V%T\n`\nend\n--b\n\nx\n--b--\nContent-Type: application/zip\n\n"+zip+"\n"),
		"an end in the middle":       multi("", "--b\n\nx\n--b--\n--b\n\ny\n--b--\n"),
		"no boundary at all":         "Content-Type: multipart/mixed\n\n--\n\nx\n----\n",
		"an empty boundary":          "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n",
		"broken base64":              "Content-Transfer-Encoding: base64\n\nUEsD=BAoA\n====AAAA\n!!!!\nUEs\n",
		"base64 twice":               "Content-Transfer-Encoding: base64\n\n" + zip + zip + "\n",
		"broken quoted-printable":    "Content-Transfer-Encoding: quoted-printable\n\n=\n=4\n=zz=0D=0A.=0D=0A=\t\n==41\n",
		"an unknown encoding":        "Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x.exe\n#0V%T\n`\nend\n",
		"an encoding of a multipart": "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nx\n--b--\n",
		"an encoding of a message":   "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA0KDQp4DQo=\n",
		"an encoding with a comment": "Content-Transfer-Encoding: (x) base64 (y)\n\n" + zip + "\n",
		"uuencode":                   "Content-Type: text/plain\n\nbegin 644 x.exe\n#0V%T\n`\nend\n",
		"yEnc":                       "Content-Type: text/plain; charset=latin1\n\n=ybegin line=128 size=3 name=x.exe\n\x8b\x8c\x8d\n=yend size=3\n",
		"TNEF":                       "Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\neJ8+IgAAAQaQCAAE\n",
		"file names":                 "Content-Type: application/zip; name=\"=?utf-8?Q?x=2Eexe?=\"\nContent-Disposition: attachment; filename*0=\"x.\"; filename*1*=utf-8''e%78e; filename=y.pdf\n\n" + zip + "\n",
		"a file name with RLO":       "Content-Disposition: attachment; filename*=utf-8''x%E2%80%AEfdp.exe\n\nx\n",
		"a file name that climbs":    "Content-Disposition: attachment; filename=\"..\\\\..\\\\/etc/passwd\"\n\nx\n",
		"UTF-7":                      "Content-Type: text/html; charset=utf-7\n\n+ADw-script+AD4-alert(1)+ADw-/script+AD4-\n",
		"UTF-16":                     "Content-Type: text/html; charset=utf-16\nContent-Transfer-Encoding: base64\n\n//48AHMAYwByAGkAcAB0AD4A\n",
		"an unknown charset":         "Content-Type: text/plain; charset=\"x\\\"; y=\"\n\n\xff\xfe\x80\n",
		"a type in other letters":    "CONTENT-TYPE : MULTIPART/Mixed ; BOUNDARY = b\n\n--b\n\nx\n--b--\n",
		"a folded type":              "Content-Type:| multipart/mixed| ;| boundary=|\tb\n\n--b\n\nx\n--b--\n",
		"a partial message":          "Content-Type: message/partial; id=\"x@y\"; number=1; total=2\n\nSubject: x\n\nx\n",
		"an external body":           "Content-Type: message/external-body; access-type=URL; URL=\"file:///etc/passwd\"\n\nContent-Type: text/plain\n\n",
		"a delimiter of ours":        multi("", "--b\n\n--posta-certificata\n--confine--\nX-Trasporto: errore\n\n--b--\n"),
		"From and dots":              "Content-Type: text/plain\n\nFrom x\n>From y\n.\n..\n.x\n\n\n",
		"blank lines alone":          "Content-Type: text/plain\n\n\n \n\t\n\n",
		"no body":                    "Content-Type: multipart/mixed; boundary=b\n\n",
		"controls":                   "Content-Type: text/plain\n\n\x01\x07\x08\x0b\x0c\x1a\x1b[31m\x7f\x85\n",
		"odd fields":                 "X:\nX-Y:\t \nX~`!#$%&'*+: =?utf-8?Q?=0D=0A?=\nX-Folded: a|\t|b| \n\nx\n",
		"a signature of others":      "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b\n\n--b\n\nx \n\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n\nMIIB\n--b--\n",
	}
}
