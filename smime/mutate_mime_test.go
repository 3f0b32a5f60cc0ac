package smime

import (
	"bytes"
	"crypto"
	random "math/rand/v2"
	"slices"
	"strings"
)

// mutateMessage changes a good message: its lines, its headers, its octets.
func mutateMessage(r *random.Rand, message string) []byte {
	if r.IntN(3) == 0 {
		return mutateOctets(r, []byte(message))
	}
	if r.IntN(2) == 0 {
		return []byte(mutateLines(r, message))
	}
	old, new := mimeChange(r)
	if r.IntN(3) == 0 {
		return bytes.ReplaceAll([]byte(message), []byte(old), []byte(new))
	}
	n := strings.Count(message, old)
	if n == 0 {
		return mutateOctets(r, []byte(message))
	}
	parts := strings.SplitAfterN(message, old, 2+r.IntN(n))
	last := len(parts) - 2
	parts[last] = strings.TrimSuffix(parts[last], old) + new
	return []byte(strings.Join(parts, ""))
}

func mutateLines(r *random.Rand, message string) string {
	lines := strings.SplitAfter(message, "\r\n")
	i, j := r.IntN(len(lines)), r.IntN(len(lines))
	line := strings.TrimSuffix(lines[i], "\r\n")
	switch r.IntN(9) {
	case 0:
		lines = slices.Delete(lines, i, i+1)
	case 1:
		lines = slices.Insert(lines, j, lines[i])
	case 2:
		lines[i], lines[j] = lines[j], lines[i]
	case 3:
		lines[i] = line + " \r\n"
	case 4:
		lines[i] = line + pick(r, []string{"\n", "\r", "\r\r\n", "\r\n\r\n", ""})
	case 5:
		lines[i] = pick(r, []string{" ", "\t", "-", "x", "\x00"}) + lines[i]
	case 6:
		lines[i] = strings.ToUpper(lines[i])
	case 7:
		lines[i] = strings.Repeat("=", r.IntN(4)) + "\r\n" + lines[i]
	case 8:
		lines = lines[:i]
	}
	return strings.Join(lines, "")
}

// mimeChange is something that two readers of MIME may take for two things.
func mimeChange(r *random.Rand) (old, new string) {
	const delimiter = "\r\n--" + testBoundary
	const unsigned = "Content-Type: text/plain\r\n\r\nunsigned"
	changes := map[string][]string{
		"micalg=sha-256": {"micalg=sha1", "micalg=md5", "micalg=\"sha-256\"", "micalg=unknown", "micalg=\"sha-256, sha1\"", "x=y", "micalg"},
		"boundary=\"" + testBoundary + "\"": {"boundary=" + testBoundary, "boundary=\"other\"", "boundary=\"" + testBoundary + " \"",
			"Boundary=\"" + testBoundary + "\"; boundary=\"other\"", "boundary*=\"" + testBoundary + "\"", "boundary=\"" + testBoundary[:9] + "\""},
		"application/pkcs7-signature": {"application/x-pkcs7-signature", "application/pgp-signature", "application/pkcs7-mime", "APPLICATION/PKCS7-SIGNATURE", "text/plain"},
		"multipart/signed":            {"multipart/mixed", "Multipart/Signed", "multipart/signed ", "message/rfc822", "(comment) multipart/signed"},
		"base64":                      {"BASE64", "7bit", "base64 ", "quoted-printable", "base64\r\nContent-Transfer-Encoding: 7bit", "8bit"},
		"Content-Transfer-Encoding":   {"Content-transfer-encoding", "X-Encoding", "Content-Transfer-Encoding "},
		delimiter: {delimiter + " ", delimiter + "x", delimiter + "\r\n" + unsigned + delimiter, "\r\n" + delimiter, "\n--" + testBoundary,
			delimiter + "--" + delimiter, "\r\n" + unsigned + delimiter, strings.ToLower(delimiter), ""},
		"--\r\n": {"\r\n", "-\r\n", "--", "--\r\n" + unsigned, "--\r\n" + unsigned + delimiter + "--\r\n", "--x\r\n", "-- \r\n"},
		"\r\n":   {"\n", "\r", "\r\r\n", "\n\r"},
		testChild: {unsigned, testChild + "\r\n", "\r\n" + testChild, strings.ReplaceAll(testChild, "\r\n", "\n"), testChild + " ",
			testChild + delimiter + "\r\n" + testChild},
		"From:":     {"Content-Type: text/plain\r\nFrom:", "\r\nFrom:", "From", " From:", "content-type: multipart/signed\r\nFrom:"},
		"MII":       {"M!I", "MI I", "MI\r\n\r\nI", "=MII", "MIJ", "MII="},
		"; micalg":  {";; micalg", " micalg", "; \r\n micalg", "; a=\"b\\\"c\"; micalg", "; a=\"b; micalg"},
		"This is a": {unsigned, "--" + testBoundary + "x\r\n", ""},
	}
	keys := make([]string, 0, len(changes))
	for key := range changes {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	old = pick(r, keys)
	return old, pick(r, changes[old])
}

// newLetter draws a mutated letter.
func newLetter(r *random.Rand) letter {
	model := pick(r, models())
	if r.IntN(3) == 0 {
		micalg := "sha-256"
		if model.hash == crypto.SHA1 {
			micalg = "sha1"
		}
		return letter{"MIME", mutateMessage(r, multipartMessage(testChild, model.der, micalg)), true}
	}
	how := pick(r, mutators())
	octets := how.mutate(r, model)
	if r.IntN(4) == 0 {
		return letter{how.kind, []byte(multipartMessage(testChild, octets, "sha-256")), true}
	}
	return letter{how.kind, octets, false}
}
