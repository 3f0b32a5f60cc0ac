package sandbox

import (
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// language is the one that a reader of the control page is answered in.
type language string

const (
	english language = "en"
	italian language = "it"
)

// languageOf is what ?lang= names, or else what the browser would rather have; English if it says nothing about either.
func languageOf(r *http.Request) language {
	if l := language(r.URL.Query().Get("lang")); l == english || l == italian {
		return l
	}
	best, most := english, 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, weight, _ := strings.Cut(part, ";")
		l := language(strings.ToLower(strings.TrimSpace(tag)))
		if l, _, _ := strings.Cut(string(l), "-"); language(l) != english && language(l) != italian {
			continue
		}
		if q := quality(weight); q > most {
			best, most = l[:2], q
		}
	}
	return best
}

// quality is the weight of an alternative, such as "q=0.8" (RFC 9110 12.4.2); 1 without one, 0 if it cannot be read.
func quality(weight string) float64 {
	text, given := strings.CutPrefix(strings.TrimSpace(weight), "q=")
	if !given {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || q < 0 || q > 1 {
		return 0
	}
	return q
}

// Say is the one of two texts that is in the reader's language.
func (l language) Say(en, it string) string {
	if l == italian {
		return it
	}
	return en
}

// maxShown bounds what a stranger's text may take of the page, in characters.
const maxShown = 300

// visible is a text that a stranger wrote with everything replaced that would show it as another one: control characters,
// and those that turn the direction of writing (attacks.md 28).
func visible(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxShown {
			b.WriteString("…")
			break
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}
