package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"slices"
	"sync"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/verify"
)

// source is where the octets of a message come from, as often as they are needed.
type source struct {
	open func() (io.ReadCloser, error)
	how  []How
}

// through is the source behind a filter.
func (s source) through(filter func(io.Reader) io.Reader, how ...How) source {
	return source{how: slices.Concat(s.how, how), open: func() (io.ReadCloser, error) {
		in, err := s.open()
		if err != nil {
			return nil, err
		}
		return filtered{filter(in), in}, nil
	}}
}

type filtered struct {
	io.Reader
	io.Closer
}

// withLines is the source with CRLF at the end of every line (quirks.md E14).
func (s source) withLines() source { return s.through(smime.NewCRLFReader, LinesRestored) }

// section is the octets from start to end. Where the source can be sought it is.
func (s source) section(start, end int64, how ...How) source {
	return s.through(func(in io.Reader) io.Reader {
		if err := skip(in, start); err != nil {
			return failing{err}
		}
		return io.LimitReader(in, end-start)
	}, how...)
}

func skip(in io.Reader, n int64) error {
	if seeker, ok := in.(io.Seeker); ok {
		_, err := seeker.Seek(n, io.SeekCurrent)
		return err
	}
	_, err := io.CopyN(io.Discard, in, n)
	return err
}

type failing struct{ err error }

// Read always fails.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// part is the body of a part without its transfer encoding.
func (s source) part(p *pec.Part) source {
	body := s.section(p.Body, p.End)
	switch p.Encoding() {
	case "base64":
		return body.through(func(in io.Reader) io.Reader { return base64.NewDecoder(base64.StdEncoding, in) }, Decoded)
	case "quoted-printable":
		return body.through(func(in io.Reader) io.Reader { return quotedprintable.NewReader(in) }, Decoded)
	}
	return body
}

// withoutLead is the source without what stands before the header: a byte order mark and empty lines.
func (s source) withoutLead(n int64) source {
	return s.through(func(in io.Reader) io.Reader {
		if err := skip(in, n); err != nil {
			return failing{err}
		}
		return in
	}, LeadRemoved)
}

// leadOf counts the octets before the header.
func leadOf(head []byte) int64 {
	rest := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), "\r\n")
	return int64(len(head) - len(rest))
}

// octets is what one pass over a source found.
type octets struct {
	message *verify.Message
	sha256  string
	size    int64
	bareLF  bool  // a line ends without CR
	lead    int64 // octets before the header
}

// chunk is how much is hashed and scanned at a time.
const chunk = 1 << 20

// read passes over the octets once, with the caller's buffer of a chunk. The hash of the whole runs beside the scan, which hashes
// what is signed.
func (s source) read(ctx context.Context, buffer []byte) (o octets, err error) {
	in, err := s.open()
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	reader, whole, last := verify.NewReader(nil), sha256.New(), byte(0)
	for {
		if err := ctx.Err(); err != nil {
			return o, err
		}
		n, err := io.ReadFull(in, buffer)
		if o.size == 0 {
			o.lead = leadOf(buffer[:n])
		}
		if n > 0 {
			part := buffer[:n]
			var beside sync.WaitGroup
			beside.Go(func() {
				whole.Write(part)
				o.bareLF = o.bareLF || hasBareLF(part, last)
			})
			_, _ = reader.Write(part)
			beside.Wait()
			o.size, last = o.size+int64(n), part[n-1]
		}
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return o, fmt.Errorf("reading: %w", err)
		}
	}
	o.message, o.sha256 = reader.Finish(), hex.EncodeToString(whole.Sum(nil))
	return o, nil
}

// replay gives a source's octets at offsets that mostly follow each other, for the rare second look at signed octets.
type replay struct {
	source source
	in     io.ReadCloser
	at     int64
}

// ReadAt reads on from where it was, or begins anew.
func (r *replay) ReadAt(p []byte, offset int64) (int, error) {
	if r.in == nil || offset != r.at {
		if err := r.Close(); err != nil {
			return 0, err
		}
		in, err := r.source.open()
		if err != nil {
			return 0, err
		}
		r.in, r.at = in, offset
		if err := skip(in, offset); err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(r.in, p)
	r.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// Close lets the source go; it may be read again.
func (r *replay) Close() error {
	if r.in == nil {
		return nil
	}
	in := r.in
	r.in = nil
	return in.Close()
}
