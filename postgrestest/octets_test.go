package postgrestest

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestOctetsPassUnchanged has both sides send any messages in any pieces.
func TestOctetsPassUnchanged(t *testing.T) {
	proxy, server := proxyToTest(t)
	proxy.Arm(func(Message) Action { return Pass })
	rapid.Check(t, func(t *rapid.T) {
		client, err := net.DialTCP("tcp", nil, proxy.listener.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		backend, err := server.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		defer backend.Close()
		question := append(message(0, body().Draw(t, "startup")), messages().Draw(t, "question")...)
		answer := messages().Draw(t, "answer")
		if torn := rapid.Bool().Draw(t, "torn"); torn {
			answer = answer[:len(answer)/2]
		}
		questionPieces, answerPieces := pieces(t, question), pieces(t, answer)
		var heard, asked []byte
		var both sync.WaitGroup
		both.Go(func() { asked = exchange(backend, answerPieces) })
		both.Go(func() { heard = exchange(client, questionPieces) })
		both.Wait()
		if !bytes.Equal(asked, question) || !bytes.Equal(heard, answer) {
			t.Errorf("asked %.100q, got %.100q; answered %.100q, got %.100q", question, asked, answer, heard)
		}
	})
}

func body() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		size := rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 3*chunk)).Draw(t, "size")
		return strings.Repeat(rapid.StringN(1, 5, -1).Draw(t, "pattern"), size)[:size]
	})
}

func messages() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) (octets []byte) {
		for range rapid.IntRange(0, 5).Draw(t, "messages") {
			octets = append(octets, message(rapid.ByteMin(1).Draw(t, "kind"), body().Draw(t, "body"))...)
		}
		return octets
	})
}

func pieces(t *rapid.T, octets []byte) (cut [][]byte) {
	for len(octets) > 0 && len(cut) < 10 {
		n := rapid.IntRange(1, len(octets)).Draw(t, "piece")
		cut = append(cut, octets[:n])
		octets = octets[n:]
	}
	return append(cut, octets)
}

// exchange sends pieces while it reads, and returns what it has read.
func exchange(conn *net.TCPConn, pieces [][]byte) []byte {
	var sending sync.WaitGroup
	sending.Go(func() {
		for _, piece := range pieces {
			conn.Write(piece)
		}
		conn.CloseWrite()
	})
	defer sending.Wait()
	octets, err := io.ReadAll(conn)
	if err != nil {
		return []byte(err.Error())
	}
	return octets
}

func TestRealTrafficPassesUnchanged(t *testing.T) {
	server := URL(t)
	proxy := NewProxy(t, server)
	for name, sql := range map[string]string{
		"many rows":        "copy (select g, repeat(md5(g::text), g % 70) from generate_series(1, 5000) g) to stdout",
		"one long row":     "select string_agg(md5(g::text), '') from generate_series(1, 30000) g",
		"a long statement": "select md5('" + strings.Repeat("0123456789", 30_000) + "')",
		"much copied in": "create temp table c (line text); copy c from stdin;\n" + strings.Repeat("a line\n", 30_000) +
			"\\.\nselect count(*), sum(length(line)) from c",
	} {
		if Query(t, proxy.URL(), sql) != Query(t, server, sql) {
			t.Errorf("%s: the proxy has changed something", name)
		}
	}
}

func TestClientThatPrefersEncryptionGoesWithout(t *testing.T) {
	proxy := NewProxy(t, strings.Replace(URL(t), "sslmode=disable", "sslmode=prefer", 1))
	equal(t, "answer", Query(t, proxy.URL(), "select 1"), "1")
}

func TestMalformedMessageEndsTheConnection(t *testing.T) {
	proxy := NewProxy(t, URL(t))
	client := dial(t, proxy.URL())
	client.send([]byte("Q\x00\x00\x00\x03"))
	client.expectEnd()
}
