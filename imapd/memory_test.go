package imapd

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// TestMemoryIsBounded: a long message passes through without being in memory (design.md 8, P8). It is not parallel, for it
// counts what everybody allocates.
func TestMemoryIsBounded(t *testing.T) {
	const size = 6 << 20
	h, bound := newHouse(t), uint64(size/2)
	if h.database != "" {
		bound = 3 * size // the driver allocates anew what passes it, twice; the whole message in memory once would be too much
	}
	long := "Subject: lungo\r\n\r\n" + strings.Repeat(strings.Repeat("x", 62)+"\r\n", size/64)
	c := h.login(t, "INBOX")
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	until := func(ending string) {
		t.Helper()
		var tail string
		buffer := make([]byte, 16<<10)
		for !strings.HasSuffix(tail, ending) {
			n, err := c.r.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			tail += string(buffer[max(0, n-100):n])
			tail = tail[max(0, len(tail)-100):]
		}
	}
	for _, step := range []struct {
		name string
		run  func()
	}{
		{"APPEND", func() {
			c.send(fmt.Sprintf("a APPEND INBOX {%d}\r\n", len(long)))
			until("literal data\r\n")
			if _, err := io.Copy(c.conn, struct{ io.Reader }{strings.NewReader(long)}); err != nil {
				t.Fatal(err)
			}
			c.send("\r\n")
			until("APPEND completed\r\n")
		}},
		{"FETCH", func() {
			c.send("b FETCH 1 BODY.PEEK[]\r\n")
			until("FETCH completed\r\n")
		}},
		{"SEARCH", func() {
			c.send("c SEARCH BODY nulla\r\n")
			until("SEARCH completed\r\n")
		}},
	} {
		if n := allocated(step.run); n > bound {
			t.Errorf("%s of %d octets allocates %d", step.name, size, n)
		}
	}
}
