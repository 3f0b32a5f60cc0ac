package verify_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/verify"
)

// Verify one message with the certificate of the authority that certifies providers.
func Example() {
	octets, err := os.ReadFile("testdata/anchor.pem")
	if err != nil {
		fmt.Println(err)
		return
	}
	block, _ := pem.Decode(octets)
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		fmt.Println(err)
		return
	}
	trust := verify.Trust{Anchors: smime.NewAnchors(authority)}

	file, err := os.Open("testdata/receipt.eml")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	reader := verify.NewReader(nil)
	if _, err := io.Copy(reader, file); err != nil {
		fmt.Println(err)
		return
	}
	result, err := trust.Verify(reader.Finish(), file)
	if err != nil {
		fmt.Println(err) // the file could not be read again: nothing is decided
		return
	}
	result.CheckKept()

	switch {
	case result.Fault != nil:
		fmt.Println("invalid:", result.Fault.Reason, result.Fault)
	case len(result.Doubts) > 0:
		fmt.Println("unknown:", result.Doubts[0].Reason, result.Doubts[0].What)
	default:
		data := result.Message.Data
		fmt.Println("valid:", data.Kind, "of", data.ID, "for", data.DeliveredTo, "at", data.At.UTC())
	}
	// Output: valid: avvenuta-consegna of m1@pec.alfa.test for luigi@pec.beta.test at 2024-03-05 10:00:00 +0000 UTC
}
