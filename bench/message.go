package bench

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"time"
)

const messageSize = 5 << 10 // octets, header included (P1 of design.md 8)

// compose makes a message of exactly messageSize octets. Its Message-ID is new, so that it is no repeated submission.
func compose(from, to string, at time.Time) []byte {
	m := composeHeader(from, to, rand.Text(), "text/plain; charset=us-ascii\r\n", at)
	m = append(make([]byte, 0, messageSize+len(endOfData)), m...)
	line := []byte("Si trasmette in allegato quanto richiesto con la nota in oggetto, distinti saluti.\r\n")
	for len(m)+len(line)+2 <= messageSize {
		m = append(m, line...)
	}
	m = append(m, bytes.Repeat([]byte("x"), messageSize-2-len(m))...)
	return append(m, "\r\n"...)
}

func composeHeader(from, to, id, content string, at time.Time) []byte {
	return fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: Misura %s\r\nDate: %s\r\nMessage-ID: <%s@bench.localhost>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: %s\r\n", from, to, id, at.Format(time.RFC1123Z), id, content)
}

// attachment is a message of exactly so many octets, one part of random octets in base64. It is made while it is written:
// what is held in memory is its header and a block that is written again and again.
type attachment struct {
	header []byte
	block  []byte
	octets int64
}

const (
	attachmentType = "application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
	blockLines     = 800 // about 61 KB, four TLS records
	lineOctets     = 57  // encoded as 76 characters (RFC 2045 6.8)
	lineLength     = 76 + len("\r\n")
)

func newAttachment(from, to string, octets int64, at time.Time) attachment {
	a := attachment{header: composeHeader(from, to, rand.Text(), attachmentType, at), octets: octets}
	random := make([]byte, lineOctets)
	for range blockLines {
		rand.Read(random) // it never fails
		a.block = append(base64.StdEncoding.AppendEncode(a.block, random), "\r\n"...)
	}
	return a
}

// WriteTo implements io.WriterTo. All lines but the last are whole lines of the block.
func (a attachment) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(a.header)
	sum := int64(n)
	for err == nil && a.octets-sum >= int64(2*lineLength) {
		lines := min(blockLines, int(a.octets-sum)/lineLength-1)
		n, err = w.Write(a.block[:lines*lineLength])
		sum += int64(n)
	}
	if err == nil {
		n, err = w.Write(append(bytes.Repeat([]byte("A"), int(a.octets-sum)-len("\r\n")), "\r\n"...))
		sum += int64(n)
	}
	return sum, err
}
