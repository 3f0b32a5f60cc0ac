package pec

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawnPart is a part of an original that a test made up, and what must become of it.
type drawnPart struct {
	header, body string
	name         string // of its hash; "" if the part stays
}

// drawer draws originals with boundaries of their own.
type drawer struct {
	t      *rapid.T
	count  int
	leaves []drawnPart
}

// drawOriginal draws a multipart message, its parts in order.
func drawOriginal(t *rapid.T) (message []byte, leaves []drawnPart) {
	d := &drawer{t: t}
	message = []byte("Subject: prova\r\nMessage-ID: <a@b.test>\r\n" + d.multipart(2, false))
	return message, d.leaves
}

func (d *drawer) body() string {
	line := rapid.OneOf(rapid.StringMatching(`[ -~]{0,40}`), rapid.SampledFrom([]string{"", "--", "--=_", "-- ", "\xe8\xff", "QUJD"}))
	return strings.Join(rapid.SliceOfN(line, 0, 5).Draw(d.t, "lines"), "\r\n")
}

// name draws the words of a header that name a file, and the name they say.
func (d *drawer) name() (field, name string) {
	name = rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9 ,()'%._+-]{1,70}`), rapid.StringMatching(`[a-zà-ü€;"\\/ =?]{1,30}`)).Draw(d.t, "name")
	name = strings.TrimSpace(name) + "x"
	if rapid.Bool().Draw(d.t, "extended") || !isPlainName(name) {
		return "*=utf-8''" + percent(name), name
	}
	return `="` + name + `"`, name
}

// multipart is the fields and the body of a multipart; stays says that nothing in it is replaced.
func (d *drawer) multipart(depth int, stays bool) string {
	d.count++
	boundary := fmt.Sprintf("=_%d_=", d.count)
	subtype := rapid.SampledFrom([]string{"mixed", "alternative", "related", "signed"}).Draw(d.t, "subtype")
	var out strings.Builder
	fmt.Fprintf(&out, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n\r\npreamble\r\n", subtype, boundary)
	for i := range rapid.IntRange(1, 4).Draw(d.t, "parts") {
		out.WriteString("--" + boundary + "\r\n" + d.part(depth, stays || subtype == "signed" && i > 0) + "\r\n")
	}
	out.WriteString("--" + boundary + "--\r\nepilogue")
	return out.String()
}

func (d *drawer) part(depth int, stays bool) string {
	kind := rapid.SampledFrom([]string{"plain", "name", "filename", "message", "multipart"}).Draw(d.t, "kind")
	if kind == "multipart" && depth > 0 {
		return d.multipart(depth-1, stays)
	}
	p := drawnPart{header: "Content-Type: text/plain\r\n", body: d.body()}
	field, name := d.name()
	switch kind {
	case "name":
		p.header, p.name = "Content-Type: a/b; name"+field+"\r\nX: y\r\n", name+".hash"
	case "filename":
		p.header, p.name = "Content-Disposition: inline; filename"+field+"\r\nContent-Type: text/html; name=other\r\n", name+".hash"
	case "message":
		inner := &drawer{t: d.t, count: d.count + 100*depth + 100}
		p.header, p.name = "Content-Type: message/rfc822\r\n", "message.eml.hash"
		p.body = "Subject: x\r\n" + inner.multipart(max(depth-1, 0), false)
	}
	if stays {
		p.name = ""
	}
	d.leaves = append(d.leaves, p)
	return p.header + "\r\n" + p.body
}

// leavesOf reads a message with the standard library alone: the contents of its parts as they
// are transferred, and their names.
func leavesOf(message []byte) ([]drawnPart, error) {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	return leavesIn(m.Header.Get("Content-Type"), m.Body)
}

func leavesIn(contentType string, body io.Reader) (leaves []drawnPart, err error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return leaves, nil
		}
		if err != nil {
			return nil, err
		}
		if inner := p.Header.Get("Content-Type"); strings.HasPrefix(inner, "multipart/") {
			parts, err := leavesIn(inner, p)
			if err != nil {
				return nil, err
			}
			leaves = append(leaves, parts...)
			continue
		}
		octets, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		_, params, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		leaves = append(leaves, drawnPart{body: string(octets), name: params["filename"]})
	}
}

// TestBriefByAnotherReader: who reads the original and the shortened message with other software
// finds the hash of each content that is not there, and all others as they were.
func TestBriefByAnotherReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message, drawn := drawOriginal(t)
		e := enclose(t, message)
		out, pieces, err := e.shorten(crypto.SHA1)
		if err != nil {
			t.Fatalf("%v", err)
		}
		checkPieces(t, e, out, pieces)
		before, errBefore := leavesOf(message)
		after, errAfter := leavesOf(slices.Concat(e.header, out))
		if err := errors.Join(errBefore, errAfter); err != nil || len(before) != len(drawn) || len(after) != len(drawn) {
			t.Fatalf("%v, %d parts drawn, %d read, %d left", err, len(drawn), len(before), len(after))
		}
		for i, p := range drawn {
			want := p.body
			if p.name != "" {
				want = sha1Of(before[i].body)
				if after[i].name != p.name {
					t.Fatalf("name %q, want %q", after[i].name, p.name)
				}
			}
			if before[i].body != p.body || after[i].body != want {
				t.Fatalf("drawn %q, read %q, shortened to %q, want %q", p.body, before[i].body, after[i].body, want)
			}
		}
	})
}

// pythonReader prints for each message what Python's email package finds of its parts: name, and
// body as transferred. Of an attached message it finds only that there is one.
const pythonReader = `
import base64, email, json, sys
def leaves(part):
    kind = part.get_content_maintype()
    if kind == "multipart":
        for p in part._payload:
            yield from leaves(p)
    elif kind == "message":
        yield {"Message": True}
    else:
        body = part._payload.encode("ascii", "surrogateescape")
        yield {"Name": part.get_filename() or "", "Body": base64.b64encode(body).decode()}
print(json.dumps([list(leaves(email.message_from_bytes(base64.b64decode(m)))) for m in json.load(sys.stdin)]))
`

type pythonPart struct {
	Message bool
	Name    string
	Body    []byte
}

// TestBriefByPython: Python's email package finds the same names and contents (attacks.md 20).
func TestBriefByPython(t *testing.T) {
	var messages [][]byte // each original with its shortened form behind it
	var drawn [][]drawnPart
	for seed := range 150 {
		rapid.Custom(func(t *rapid.T) bool {
			message, leaves := drawOriginal(t)
			e := enclose(t, message)
			out, _, err := e.shorten(crypto.SHA1)
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, message, slices.Concat(e.header, out))
			drawn = append(drawn, leaves)
			return true
		}).Example(seed)
	}
	read := readByPython(t, messages)
	if len(drawn) < 150 || len(read) != len(messages) {
		t.Fatalf("%d drawn, %d read", len(drawn), len(read))
	}
	for i, leaves := range drawn {
		before, after := read[2*i], read[2*i+1]
		if len(before) != len(leaves) || len(after) != len(leaves) {
			t.Fatalf("%d parts drawn, %d read, %d left in\n%s", len(leaves), len(before), len(after), messages[2*i])
		}
		for j, p := range leaves {
			checkByPython(t, p, before[j], after[j])
		}
	}
}

func checkByPython(t *testing.T, drawn drawnPart, before, after pythonPart) {
	t.Helper()
	if !before.Message && string(before.Body) != drawn.body {
		t.Errorf("drawn %q, read %q", drawn.body, before.Body)
	}
	want := before
	if drawn.name != "" {
		want = pythonPart{Name: drawn.name, Body: []byte(sha1Of(drawn.body))}
	}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Error(diff)
	}
	if drawn.name != "" && !before.Message && before.Name+hashSuffix != drawn.name {
		t.Errorf("name %q became %q", before.Name, drawn.name)
	}
}

func readByPython(t *testing.T, messages [][]byte) (parts [][]pythonPart) {
	input, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", pythonReader)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &parts); err != nil {
		t.Fatal(err)
	}
	return parts
}
