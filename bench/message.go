package bench

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"time"
)

const messageSize = 5 << 10 // octets, header included (P1 of design.md 8)

// compose makes a message of exactly messageSize octets. Its Message-ID is new, so that it is no repeated submission.
func compose(from, to string, at time.Time) []byte {
	id := rand.Text()
	m := make([]byte, 0, messageSize+len(".\r\n"))
	m = fmt.Appendf(m, "From: <%s>\r\nTo: <%s>\r\nSubject: Misura %s\r\nDate: %s\r\nMessage-ID: <%s@bench.localhost>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", from, to, id, at.Format(time.RFC1123Z), id)
	line := []byte("Si trasmette in allegato quanto richiesto con la nota in oggetto, distinti saluti.\r\n")
	for len(m)+len(line)+2 <= messageSize {
		m = append(m, line...)
	}
	m = append(m, bytes.Repeat([]byte("x"), messageSize-2-len(m))...)
	return append(m, "\r\n"...)
}
