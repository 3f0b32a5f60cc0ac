package smime

import (
	"bytes"
	"testing"
)

// tree is DER that a test can change: an element with its contents, as octets
// or, if constructed, as elements.
type tree struct {
	tag      byte
	octets   []byte
	children []*tree
}

// growTree reads DER that a test made.
func growTree(der []byte) *tree {
	h, rest := must2(readHeader(der))
	t := &tree{tag: h.tag}
	contents := rest[:h.length]
	if h.tag&constructed == 0 {
		t.octets = bytes.Clone(contents)
		return t
	}
	for len(contents) > 0 {
		h, rest := must2(readHeader(contents))
		size := len(contents) - len(rest) + h.length
		t.children = append(t.children, growTree(contents[:size]))
		contents = contents[size:]
	}
	return t
}

func (t *tree) der() []byte {
	contents := t.octets
	for _, child := range t.children {
		contents = append(contents, child.der()...)
	}
	return plainElement(t.tag, contents)
}

// at goes down by indices.
func (t *tree) at(path ...int) *tree {
	for _, i := range path {
		t = t.children[i]
	}
	return t
}

// all returns the tree and everything below it.
func (t *tree) all() []*tree {
	found := []*tree{t}
	for _, child := range t.children {
		found = append(found, child.all()...)
	}
	return found
}

// name is the object identifier with which the element begins, if it does.
func (t *tree) name() oid {
	if len(t.children) == 0 || t.children[0].tag != 6 {
		return ""
	}
	return oid(t.children[0].octets)
}

// A SignedData that Signer or openssl made: where its parts are.
func (t *tree) digests() *tree          { return t.at(1, 0, 1) }
func (t *tree) certificateBag() *tree   { return t.at(1, 0, 3) }
func (t *tree) signerInfos() *tree      { return t.at(1, 0, 4) }
func (t *tree) signedAttributes() *tree { return t.signerInfos().at(0, 3) }

func TestTreeIsWhatItWasGrownFrom(t *testing.T) {
	der := must(rsa2048().SignDetached([32]byte(digestOf(testChild)), signingInstant))
	root := growTree(der)
	if !bytes.Equal(root.der(), der) {
		t.Error("the tree is another")
	}
	if n := len(root.signedAttributes().children); n != 4 || len(root.certificateBag().children) != 2 || len(root.all()) < 100 {
		t.Errorf("%d attributes, %d elements", n, len(root.all()))
	}
}
