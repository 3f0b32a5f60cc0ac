package smime

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// toBER rewrites DER as BER: draw decides for each element whether its length
// becomes indefinite or too long, and how octet strings are cut.
func toBER(der []byte, draw func(n int) int) []byte {
	var out []byte
	for len(der) > 0 {
		h, rest := must2(readHeader(der))
		contents := rest[:h.length]
		der = rest[h.length:]
		if h.tag == octetString && len(contents) > 0 && draw(2) == 0 {
			cut := draw(len(contents))
			contents = append(plainElement(octetString, contents[:cut]), plainElement(octetString, contents[cut:])...)
			h.tag = constructedOctetString
		} else if h.tag&constructed != 0 {
			contents = toBER(contents, draw)
		}
		switch {
		case h.tag&constructed != 0 && draw(2) == 0:
			out = append(append(append(out, h.tag, 0x80), contents...), 0, 0)
		case draw(2) == 0:
			out = append(out, plainElement(h.tag, contents)...)
		default:
			n := len(contents)
			out = append(append(out, h.tag, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), contents...)
		}
	}
	return out
}

func plainElement(tag byte, contents []byte) []byte {
	t := transcoder{out: append([]byte{tag, 0}, contents...)}
	t.setLength(2)
	return t.out
}

func digestOf(content string) []byte {
	digest := sha256.Sum256([]byte(content))
	return digest[:]
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// norms.md 51, quirks.md E3
func TestBERBecomesTheSameDER(t *testing.T) {
	digest := sha256.Sum256([]byte(testChild))
	der := must(p256().SignDetached(digest, signingInstant))
	rapid.Check(t, func(t *rapid.T) {
		ber := toBER(der, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		back, err := toDER(ber)
		if err != nil || !bytes.Equal(back, der) {
			t.Fatalf("% x became % x, %v", ber, back, err)
		}
		if _, err := must(Parse(ber)).Verify(digest[:]); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDERStaysAsItIs(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536} {
		der := plainElement(0x30, plainElement(octetString, make([]byte, n)))
		if back, err := toDER(der); err != nil || !bytes.Equal(back, der) {
			t.Errorf("octet string of %d octets: %v", n, err)
		}
	}
}

// OpenSSL reads what toBER makes as we do. Only what is signed has to be DER for
// it: certificates and attributes.
func TestOpenSSLReadsTheSameBER(t *testing.T) {
	s := p256()
	der := must(s.SignAttached([]byte(testChild), signingInstant))
	indefinite := func(int) int { return 0 }
	always := toBER(der, indefinite)
	for _, signed := range append(must(s.attributes(digestOf(testChild), signingInstant)),
		s.certificate.Raw, testAuthority().intermediate.Raw) {
		always = bytes.Replace(always, toBER(signed, indefinite), signed, 1)
	}
	out, err := newWorkshop(t, nil).opensslVerifies(always, "-inform", "DER", "-binary")
	if err != nil || string(out) != testChild {
		t.Errorf("content %q, %v", out, err)
	}
	if err := verifiesAttached(always); err != nil {
		t.Error(err)
	}
}

func TestMalformedBER(t *testing.T) {
	deep := strings.Repeat("\x30\x80", maxDepth+1)
	for name, blob := range map[string]string{
		"nothing":                         "",
		"tag alone":                       "\x30",
		"length cut off":                  "\x30\x82\x01",
		"contents cut off":                "\x30\x03\x02\x01",
		"length of five octets":           "\x30\x85\x00\x00\x00\x00\x00",
		"length beyond everything":        "\x30\x84\xff\xff\xff\xff",
		"reserved length":                 "\x30\xff",
		"primitive of indefinite length":  "\x04\x80\x00\x00",
		"no end of contents":              "\x30\x80\x02\x01\x00",
		"end of contents alone":           "\x00\x00",
		"end of contents in definite":     "\x30\x02\x00\x00",
		"high tag number":                 "\x3f\x81\x01\x00",
		"a time in pieces":                "\x38\x00",
		"integer inside an octet string":  "\x24\x03\x02\x01\x00",
		"child longer than its parent":    "\x30\x03\x04\x05\x00\x00\x00\x00",
		"trailing data (attacks.md 12)":   "\x30\x00\x00",
		"nested too deep":                 deep + strings.Repeat("\x00\x00", maxDepth+1),
		"octet strings nested too deep":   strings.Repeat("\x24\x80", maxDepth+1) + strings.Repeat("\x00\x00", maxDepth+1),
		"a million beginnings of nesting": strings.Repeat("\x30\x80", 1<<20),
	} {
		if _, err := Parse([]byte(blob)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse(make([]byte, maxBlob+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: %v", err)
	}
}
