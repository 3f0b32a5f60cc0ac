package smime

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"math/big"
	random "math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
)

// letter is what verifiers are shown: a whole message, or else a detached
// signature over testChild.
type letter struct {
	kind    string // what was done to it
	octets  []byte
	message bool
}

// model is a good detached signature over testChild and what can be done to it.
type model struct {
	name string
	der  []byte
	keys []crypto.Signer // of the signers, in their order
	hash crypto.Hash     // under which the attributes are signed; 0 if they are not signed again
}

// models are signatures of all looks: ours, and those that openssl makes.
var models = sync.OnceValue(func() []model {
	s, other := p256(), colleague()
	ours := func(name string, s *Signer) model {
		return model{name, must(s.SignDetached([32]byte(digestOf(testChild)), signingInstant)), []crypto.Signer{s.key}, crypto.SHA256}
	}
	protection := testAttribute(oidAlgorithmProtection, plainElement(0x30, slices.Concat(
		plainElement(0x30, plainElement(6, []byte(oidSHA256))), plainElement(0xa1, plainElement(6, []byte(oidECDSAWithSHA256))))))
	both := withBag(s, s.bag, other.certificate.Raw)
	return append([]model{
		ours("P-256", s), ours("RSA", rsa2048()),
		{"CMSAlgorithmProtection", withAttributes(s, func(a [][]byte) [][]byte { return append(a, protection) }), []crypto.Signer{s.key}, crypto.SHA256},
		{"two signers", must(both.signedData(nil, infoOver(s, testChild), infoOver(other, testChild))), []crypto.Signer{s.key, other.key}, crypto.SHA256},
	}, opensslModels()...)
})

func opensslModels() (made []model) {
	dir := must(os.MkdirTemp("", "models"))
	defer os.RemoveAll(dir)
	w := furnish(dir, rsa2048())
	w.write("child", []byte(testChild))
	for _, look := range []struct {
		name, args string
		hash       crypto.Hash
	}{
		{"SHA-1", "-md sha1", crypto.SHA1},
		{"SHA-512, key identifier", "-md sha512 -keyid", crypto.SHA512},
		{"ESS", "-md sha256 -cades -nosmimecap", crypto.SHA256},
		{"PSS", "-md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32", 0},
	} {
		args := strings.Fields("cms -sign -in child -binary -signer leaf.pem -inkey key.pem -certfile intermediate.pem -outform DER " + look.args)
		made = append(made, model{look.name, must(w.openssl(args...)), []crypto.Signer{rsa2048().key}, look.hash})
	}
	return made
}

// resign makes the signatures good again after the attributes were changed.
func (m model) resign(t *tree) {
	if m.hash == 0 {
		return
	}
	for i, key := range m.keys {
		info := t.signerInfos().at(i)
		h := m.hash.New()
		h.Write([]byte{0x31})
		h.Write(info.at(3).der()[1:])
		info.at(5).octets = must(key.Sign(rand.Reader, h.Sum(nil), m.hash))
	}
}

// mutator changes a good signature. What it does decides r alone.
type mutator struct {
	kind   string
	mutate func(r *random.Rand, m model) []byte
}

func mutators() []mutator {
	return []mutator{
		{"octets", func(r *random.Rand, m model) []byte { return mutateOctets(r, m.der) }},
		{"elements", onTree(mutateElement, false)},
		{"attributes", onTree(mutateAttributes, false)},
		{"attributes, signed again", onTree(mutateAttributes, true)},
		{"elements of attributes, signed again", onTree(func(r *random.Rand, t *tree) { mutateElement(r, t.signedAttributes()) }, true)},
		{"algorithms", onTree(mutateAlgorithms, false)},
		{"algorithms, signed again", onTree(mutateAlgorithms, true)},
		{"certificates", onTree(mutateBag, false)},
		{"signers", onTree(mutateSigners, false)},
		{"trailing", onTree(mutateEnd, false)},
		{"BER around what is signed", func(r *random.Rand, m model) []byte { return outerBER(r, growTree(m.der)) }},
		{"BER of all", func(r *random.Rand, m model) []byte { return toBER(m.der, r.IntN) }},
		{"elements in BER", func(r *random.Rand, m model) []byte {
			t := growTree(m.der)
			mutateElement(r, t)
			return outerBER(r, t)
		}},
		{"octets of BER", func(r *random.Rand, m model) []byte { return mutateOctets(r, outerBER(r, growTree(m.der))) }},
	}
}

func onTree(change func(*random.Rand, *tree), resign bool) func(*random.Rand, model) []byte {
	return func(r *random.Rand, m model) []byte {
		t := growTree(m.der)
		change(r, t)
		if resign {
			m.resign(t)
		}
		return t.der()
	}
}

// outerBER leaves alone what openssl wants in DER: attributes, certificates,
// parameters of algorithms.
func outerBER(r *random.Rand, t *tree) []byte {
	name := t.name()
	if t.tag == 0xa0 && len(t.children) > 1 || name != "" && name != oidSignedData && name != oidData {
		return t.der()
	}
	var contents []byte
	for _, child := range t.children {
		contents = append(contents, outerBER(r, child)...)
	}
	if len(t.children) == 0 {
		contents = t.octets
		if t.tag == octetString && len(contents) > 0 && r.IntN(2) == 0 {
			cut := r.IntN(len(contents))
			return slices.Concat([]byte{constructedOctetString, 0x80}, plainElement(octetString, contents[:cut]),
				plainElement(octetString, contents[cut:]), []byte{0, 0})
		}
	} else if t.tag&constructed != 0 && r.IntN(2) == 0 {
		return slices.Concat([]byte{t.tag, 0x80}, contents, []byte{0, 0})
	}
	return plainElement(t.tag, contents)
}

func pick[T any](r *random.Rand, from []T) T { return from[r.IntN(len(from))] }

// mutateOctets knows nothing of what the octets mean.
func mutateOctets(r *random.Rand, octets []byte) []byte {
	octets = bytes.Clone(octets)
	for range 1 + r.IntN(2) {
		i := r.IntN(len(octets))
		switch r.IntN(6) {
		case 0:
			octets = slices.Insert(octets, i, byte(r.IntN(256)))
		case 1:
			octets = slices.Delete(octets, i, i+1)
		case 2:
			octets = octets[:max(1, i)]
		default:
			octets[i] ^= 1 << r.IntN(8)
		}
	}
	return octets
}

// mutateElement changes one element of the tree, whatever it is.
func mutateElement(r *random.Rand, t *tree) {
	all := t.all()
	at, other := pick(r, all), pick(r, all)
	switch r.IntN(9) {
	case 0:
		at.tag ^= 1 << r.IntN(8)
	case 1, 2:
		if len(at.octets) > 0 {
			at.octets[r.IntN(len(at.octets))] ^= 1 << r.IntN(8)
		}
	case 3:
		at.octets = append(at.octets, 0)
	case 4:
		at.octets = append([]byte{0}, at.octets...)
	case 5:
		at.octets, at.children = nil, nil
	case 6:
		*at = tree{tag: 5}
	case 7:
		if !slices.Contains(other.all(), at) && !slices.Contains(at.all(), other) {
			*at = *other
		}
	case 8:
		at.shuffle(r)
	}
}

// shuffle drops, doubles or swaps children.
func (t *tree) shuffle(r *random.Rand) {
	if len(t.children) == 0 {
		return
	}
	i, j := r.IntN(len(t.children)), r.IntN(len(t.children))
	switch r.IntN(3) {
	case 0:
		t.children = slices.Delete(slices.Clone(t.children), i, i+1)
	case 1:
		t.children = slices.Insert(slices.Clone(t.children), j, t.children[i])
	case 2:
		t.children[i], t.children[j] = t.children[j], t.children[i]
	}
}

func mutateAttributes(r *random.Rand, t *tree) {
	attributes := t.signedAttributes()
	switch r.IntN(4) {
	case 0, 1:
		attributes.shuffle(r)
	case 2: // two values or none
		pick(r, attributes.children).at(1).shuffle(r)
	case 3: // one attribute under the name of another
		pick(r, attributes.children).children[0] = pick(r, attributes.children).children[0]
	}
}

// mutateAlgorithms gives one algorithm outside of the certificates another
// name, or changes whether it has parameters.
func mutateAlgorithms(r *random.Rand, t *tree) {
	names := []oid{oidSHA1, oidSHA256, oidSHA384, oidSHA512, oidRSA, oidRSAPSS, oidSHA1WithRSA, oidSHA256WithRSA, oidSHA512WithRSA,
		oidECDSAWithSHA1, oidECDSAWithSHA256, oidECDSAWithSHA512, oidMGF1, oidData,
		"\x2a\x86\x48\x86\xf7\x0d\x02\x05", "\x2a\x86\x48\xce\x3d\x02\x01"} // MD5, an elliptic curve key
	var named []*tree
	for _, element := range append(t.digests().all(), t.signerInfos().all()...) {
		if len(element.children) < 3 && slices.Contains(names, element.name()) {
			named = append(named, element)
		}
	}
	for range 1 + r.IntN(2) {
		algorithm := pick(r, named)
		switch r.IntN(4) {
		case 0:
			algorithm.children = algorithm.children[:1]
		case 1:
			algorithm.children = []*tree{algorithm.children[0], {tag: 5}}
		default:
			algorithm.children[0] = &tree{tag: 6, octets: []byte(pick(r, names))}
		}
	}
}

// strangers are certificates that have no business in the bag.
var strangers = sync.OnceValue(func() []*tree {
	a := testAuthority()
	reissued := *a.intermediate
	reissued.SerialNumber = big.NewInt(3)
	return []*tree{
		growTree(a.root.Raw), growTree(newSigner(newP256()).certificate.Raw), growTree(colleague().certificate.Raw),
		growTree(issue(&reissued, a.root, a.intermediateKey.Public(), a.rootKey).Raw),
		{tag: 0x30}, {tag: 0xa1}, {tag: 0xa3, children: []*tree{{tag: 6, octets: []byte{42}}}},
	}
})

func mutateBag(r *random.Rand, t *tree) {
	bag := t.certificateBag()
	switch r.IntN(3) {
	case 0:
		bag.shuffle(r)
	case 1:
		bag.children = slices.Insert(bag.children, r.IntN(len(bag.children)+1), pick(r, strangers()))
	case 2:
		mutateElement(r, pick(r, bag.children))
	}
}

func mutateSigners(r *random.Rand, t *tree) {
	infos := t.signerInfos()
	if r.IntN(2) == 0 {
		infos.shuffle(r)
		return
	}
	bad := growTree(pick(r, infos.children).der())
	mutateElement(r, bad)
	infos.children = slices.Insert(infos.children, r.IntN(len(infos.children)+1), bad)
}

// mutateEnd puts something behind an element, or behind the whole.
func mutateEnd(r *random.Rand, t *tree) {
	ends := []*tree{{tag: 5}, {tag: octetString, octets: []byte("x")}, {tag: 0x30}, {tag: 0xa1}, {tag: 0xa1, children: []*tree{{tag: 0x30}}}}
	at := pick(r, t.all())
	if at.tag&constructed == 0 {
		at = t.at(1, 0)
	}
	at.children = append(at.children, pick(r, ends))
}
