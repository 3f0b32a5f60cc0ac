package evidence

import "bytes"

// hasBareLF finds a line feed without a carriage return before it; before is the octet in front of p.
func hasBareLF(p []byte, before byte) bool {
	for i := 0; ; {
		next := bytes.IndexByte(p[i:], '\n')
		if next < 0 {
			return false
		}
		i += next
		if i > 0 {
			before = p[i-1]
		}
		if before != '\r' {
			return true
		}
		i++
		before = '\n'
	}
}
