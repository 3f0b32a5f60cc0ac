package smtpd

import (
	"errors"
	"fmt"
)

// maxReply is the longest reply line with its CRLF (RFC 5321 4.5.3.1.5).
const maxReply = 512

// Error is a reply that a function of Config chooses. Err is for the log only. A Code outside 400 to 599 is answered as 451;
// an Enhanced code (RFC 3463) of another class than Code is replaced. 421 also closes the connection. More are
// further lines of the reply, under the same code.
type Error struct {
	Code     int
	Enhanced string
	Text     string
	More     []string
	Err      error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Text)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrCredentials is what Authenticate returns for a wrong user or a wrong password: 535 5.7.8, the same for both.
var ErrCredentials = errors.New("user name or password is wrong")

// refusalOf gives the reply for an error of a function of Config, and whether the function chose it. What was not meant for the
// peer stays in.
func refusalOf(err error) (e *Error, meant bool) {
	if !errors.As(err, &e) || e.Code < 400 || e.Code > 599 {
		return &Error{Code: 451, Enhanced: "4.3.0", Text: "temporary failure, try again later", Err: err}, false
	}
	class := e.Code / 100
	if !validEnhanced(e.Enhanced) || int(e.Enhanced[0]-'0') != class {
		return &Error{Code: e.Code, Enhanced: fmt.Sprintf("%d.0.0", class), Text: e.Text, More: e.More, Err: err}, true
	}
	return e, true
}

// validEnhanced says whether code is class "." subject "." detail (RFC 3463 2).
func validEnhanced(code string) bool {
	var class, subject, detail uint16
	n, err := fmt.Sscanf(code, "%d.%d.%d", &class, &subject, &detail)
	return err == nil && n == 3 && class < 10 && code == fmt.Sprintf("%d.%d.%d", class, subject, detail)
}

// lines are those of the reply: each has the enhanced code, so that none is taken for another reply.
func (e *Error) lines() []string {
	var lines []string
	for _, text := range append([]string{e.Text}, e.More...) {
		lines = append(lines, e.Enhanced+" "+text)
	}
	return lines
}

// replyLine is one line of a reply, cut to what a line may hold, with nothing in it that could end it.
func replyLine(code int, separator byte, text string) []byte {
	line := fmt.Appendf(nil, "%d%c%s", code, separator, text)
	for i, c := range line {
		if c < ' ' || c > '~' {
			line[i] = '?'
		}
	}
	return append(line[:min(len(line), maxReply-2)], "\r\n"...)
}
