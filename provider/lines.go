package provider

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// keyLines tells on which line of a TOML text each key stands, in lower case, for the decoder does not mind the case
// either; the tables of an array are numbered from 0.
func keyLines(text []byte) map[string]int {
	lines := map[string]int{}
	counts := map[string]int{}
	prefix := ""
	p := unstable.Parser{}
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		key, offset := expressionKey(e)
		line := bytes.Count(text[:offset], []byte("\n")) + 1
		switch e.Kind {
		case unstable.Table:
			prefix = numbered(key, counts)
			lines[prefix] = line
		case unstable.ArrayTable:
			prefix = numbered(parentKey(key), counts)
			prefix = joinKey([]string{prefix, lastKey(key)})
			counts[prefix]++
			prefix += "." + strconv.Itoa(counts[prefix]-1)
			lines[prefix] = line
		case unstable.KeyValue:
			lines[joinKey([]string{prefix, key})] = line
		}
	}
	return lines
}

func expressionKey(e *unstable.Node) (key string, offset int) {
	var parts []string
	for it := e.Key(); it.Next(); {
		if parts == nil {
			offset = int(it.Node().Raw.Offset)
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.ToLower(joinKey(parts)), offset
}

// numbered adds to each part of a key that names an array of tables the number of its last table.
func numbered(key string, counts map[string]int) string {
	done := ""
	for part := range strings.SplitSeq(key, ".") {
		if done = joinKey([]string{done, part}); counts[done] > 0 {
			done += "." + strconv.Itoa(counts[done]-1)
		}
	}
	return done
}

func joinKey(parts []string) string {
	kept := make([]string, 0, len(parts))
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ".")
}

func parentKey(key string) string {
	i := strings.LastIndexByte(key, '.')
	return key[:max(i, 0)]
}

func lastKey(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
