package smime_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/ceralacca/ceralacca/smime"
)

// The files of the examples were signed by a test authority whose keys were
// thrown away.

// A message is read once, from wherever it comes.
func ExampleSplitter() {
	message, err := os.Open("testdata/receipt.eml")
	if err != nil {
		log.Fatal(err)
	}
	defer message.Close()
	splitter := smime.NewSplitter()
	if _, err := io.Copy(splitter, message); err != nil {
		log.Fatal(err)
	}
	parts, err := splitter.Finish()
	if err != nil {
		log.Fatal(err)
	}
	signature, err := parts.Verify()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(smime.Email(signature.Certificate), signature.Hash, signature.SigningTime)
	// Output: posta-certificata@pec.alfa.test SHA-256 2026-09-01 10:30:00 +0000 UTC
}

// The path is judged for the instant of the signature, however long ago that
// was.
func ExampleSignature_Path() {
	octets, err := os.ReadFile("testdata/root.pem")
	if err != nil {
		log.Fatal(err)
	}
	block, _ := pem.Decode(octets)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		log.Fatal(err)
	}
	signature := receiptSignature()
	path, err := signature.Path(smime.NewAnchors(root), smime.PathPolicy{
		At:         signature.SigningTime,
		SHA1Issued: time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range path {
		fmt.Println(c.Subject.CommonName)
	}
	fmt.Println(signature.Weaknesses(path))
	// Output:
	// Posta Certificata Alfa
	// Test CA 1
	// Test Root
	// []
}

func receiptSignature() *smime.Signature {
	message, err := os.ReadFile("testdata/receipt.eml")
	if err != nil {
		log.Fatal(err)
	}
	signature, err := verified(bytes.NewReader(message))
	if err != nil {
		log.Fatal(err)
	}
	return signature
}

func verified(message io.Reader) (*smime.Signature, error) {
	splitter := smime.NewSplitter()
	if _, err := io.Copy(splitter, message); err != nil {
		return nil, err
	}
	parts, err := splitter.Finish()
	if err != nil {
		return nil, err
	}
	return parts.Verify()
}

// A file that a mail program stored with LF alone does not verify as it is.
func ExampleNewCRLFReader() {
	message, err := os.ReadFile("testdata/receipt.eml")
	if err != nil {
		log.Fatal(err)
	}
	stored := bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n"))
	_, err = verified(bytes.NewReader(stored))
	fmt.Println(err)
	_, err = verified(smime.NewCRLFReader(bytes.NewReader(stored)))
	fmt.Println(err)
	// Output:
	// smime: message is not signed
	// <nil>
}

// A signature that came beside its content, of any number of signers.
func ExampleSignedData_VerifyAll() {
	message, err := os.ReadFile("testdata/receipt.eml")
	if err != nil {
		log.Fatal(err)
	}
	splitter := smime.NewSplitter()
	_, _ = splitter.Write(message)
	parts, err := splitter.Finish()
	if err != nil {
		log.Fatal(err)
	}
	signedData, err := smime.Parse(parts.Signature)
	if err != nil {
		log.Fatal(err)
	}
	content := message[parts.Start:parts.End]
	signatures, err := signedData.VerifyAll(func(h crypto.Hash) ([]byte, error) {
		hash := h.New()
		hash.Write(content)
		return hash.Sum(nil), nil
	})
	fmt.Println(len(signatures), err)
	// Output: 1 <nil>
}
