package dialect

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// draw gives what an engine takes from counters, process numbers and chance. It follows from its seed alone.
type draw struct{ *rand.Rand }

func newDraw(seed []byte) draw { return draw{rand.New(rand.NewChaCha8(sha256.Sum256(seed)))} }

const (
	decimal  = "0123456789"
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

func (d draw) from(alphabet string, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[d.IntN(len(alphabet))]
	}
	return string(out)
}

// number has exactly n digits.
func (d draw) number(n int) string { return d.from(decimal[1:], 1) + d.from(decimal, n-1) }

func (d draw) guid() string {
	return fmt.Sprintf("%s-%s-4%s-A%s-%s", d.from(upperHex, 8), d.from(upperHex, 4), d.from(upperHex, 3), d.from(upperHex, 3), d.from(upperHex, 12))
}

// word is the value of a {word} of the patterns: a number says so many digits.
func (d draw) word(word string) string {
	if n, err := strconv.Atoi(word); err == nil {
		return d.number(n)
	}
	switch word {
	case "HEX8":
		return d.from(upperHex, 8)
	case "hex40":
		return d.from(lowerHex, 40)
	case "letters6":
		return d.from(letters, 6)
	case "GUID":
		return d.guid()
	}
	return ""
}

// fill puts values in place of the {words} of a model. What is put in is not looked at again.
func fill(model string, value func(word string) string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(model, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		word, rest, _ := strings.Cut(after, "}")
		out.WriteString(value(word))
		model = rest
	}
}

// boundaries are those of the three multiparts. None is the beginning of another.
type boundaries struct{ outer, mixed, alternative string }

// entityBoundaries are those of Perl's MIME::Entity: instant, process, counter.
func entityBoundaries(d draw, at time.Time) boundaries {
	n, _ := strconv.Atoi(d.number(6))
	prefix := fmt.Sprintf("----------=_%d-%s-", at.Unix(), d.number(5))
	next := func() string { n = n%999_999 + 1; return fmt.Sprintf("%s%06d", prefix, n) }
	return boundaries{next(), next(), next()}
}

// opensslBoundaries have that of `openssl smime` around MIME::Entity's.
func opensslBoundaries(d draw, at time.Time) boundaries {
	b := entityBoundaries(d, at)
	b.outer = "----" + d.from(upperHex, 32)
	return b
}

// javaMailBoundaries are counter, hash code and milliseconds.
func javaMailBoundaries(d draw, at time.Time) boundaries {
	one := func() string { return fmt.Sprintf("----=_Part_%s_%s.%d", d.number(6), d.number(9), at.UnixMilli()) }
	return boundaries{one(), one(), one()}
}

// cedacriBoundaries have JavaMail's around MIME::Lite's.
func cedacriBoundaries(d draw, at time.Time) boundaries {
	b := entityBoundaries(d, at)
	b.outer = javaMailBoundaries(d, at).outer
	return b
}

func ncmsgBoundaries(d draw, _ time.Time) boundaries {
	one := func() string { return "=-" + d.from(letters+decimal, 20) }
	return boundaries{one(), one(), one()}
}
