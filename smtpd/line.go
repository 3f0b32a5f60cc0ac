package smtpd

import (
	"bufio"
	"errors"
	"strings"
)

// Bounds of a line with its CRLF: of a command (RFC 5321 4.5.3.1.4), and of what may carry parameters or a SASL response
// (RFC 5321 4.1.1.11, RFC 4954 4).
const (
	maxCommandLine = 512
	maxLine        = 2048
)

var (
	errLineTooLong = errors.New("line is too long")
	errLineOctets  = errors.New("bare CR, bare LF or control octet in a line")
)

// readLine gives one line without its CRLF. After a line error nobody knows where the next line begins.
func readLine(in *bufio.Reader) (string, error) {
	slice, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errLineTooLong
	} else if err != nil {
		return "", err
	}
	line, ok := strings.CutSuffix(string(slice), "\r\n")
	if !ok || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errLineOctets
	}
	if len(slice) > maxLine {
		return "", errLineTooLong
	}
	return line, nil
}
