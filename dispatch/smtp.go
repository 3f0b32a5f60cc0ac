package dispatch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Bounds on what a peer may say (attacks.md 18, 39).
const (
	maxReplyLine  = 2 << 10 // octets with the line end; RFC 5321 4.5.3.1.5 asks for 512
	maxReplyLines = 50
	maxReplyText  = 512 // octets of a Reply's Text
	pipelineDepth = 100 // commands sent before their replies are read: neither side's buffers can fill and block both
	maxPath       = 254 // octets of an address (RFC 5321 4.5.3.1.3)
	blockSize     = 64 << 10
)

// Reply is a server's answer (RFC 5321 4.2), or one that we made up in its place: for a recipient whose answer never came, or who
// was not named to the peer at all.
type Reply struct {
	Code     int
	Enhanced string // as in "5.1.1"; "" if the peer gave none (RFC 3463)
	Text     string // one printable line of at most 512 octets, without code and enhanced code
	// TooMany: the transaction had recipients enough, and was taken for one at least: this one can go at once in a further one
	// (RFC 5321 4.5.3.1.10).
	TooMany bool
}

// OK reports whether the command was done: 2xx.
func (r Reply) OK() bool { return r.Code/100 == 2 }

// Permanent reports whether the same command will always be refused: 5xx.
func (r Reply) Permanent() bool { return r.Code/100 == 5 }

// Temporary reports whether it is worth trying again: all that is neither OK nor Permanent.
func (r Reply) Temporary() bool { return !r.OK() && !r.Permanent() }

// String is the reply as one safe line.
func (r Reply) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)), " ")
}

// Mail is one SMTP transaction (RFC 5321 3.3).
type Mail struct {
	From       string   // reverse path without brackets; "" is the null path
	Recipients []string // without brackets
	Size       int64    // exact length of the message in octets; 0 if not known
	EightBit   bool     // the message has octets above 127 (RFC 6152)
	// Body writes the message's octets, in lines that end in CRLF. It is called at most once per Send, and its error cuts the
	// connection before the end of the data.
	Body func(io.Writer) error
}

// Outcome is what became of a Mail.
type Outcome struct {
	Replies []Reply // one for each recipient, in their order
	// Unknown: everything was sent, but the final reply was not read, so that the peer may have taken the message. The recipients'
	// replies are temporary: it must be sent again, and the peer knows a repeat by its PEC id (design.md 3).
	Unknown bool
	// Err is why no reply of the peer decided, as with errors of the network, *TLSError and *BodyError; the temporary replies were made
	// from it. It is nil if the peer answered, be it 421.
	Err error
}

// session is a connection ready for transactions. One goroutine at a time uses it.
type session struct {
	raw     net.Conn // TCP: closing it cuts the session without another octet
	conn    net.Conn // raw, or TLS over it
	r       *bufio.Reader
	w       *bufio.Writer
	times   Timeouts
	peer    extensions
	expires *time.Timer // while idle; guarded by Pool.mu
}

func newSession(conn net.Conn, times Timeouts) *session {
	s := &session{raw: conn, times: times}
	s.w = bufio.NewWriterSize(blocks{s}, blockSize)
	s.over(conn)
	return s
}

// over goes on over conn. What was read before is forgotten, and hello forgets what was announced (RFC 3207 4.2).
func (s *session) over(conn net.Conn) {
	s.conn = conn
	s.r = bufio.NewReaderSize(conn, maxReplyLine)
}

// cutWith closes the connection when ctx ends. The function returned undoes that and reports whether it was in time.
func (s *session) cutWith(ctx context.Context) (undo func() bool) {
	return context.AfterFunc(ctx, func() { s.raw.Close() })
}

// quit says good-bye, if the peer listens, and closes the connection. No data may be unfinished.
func (s *session) quit() {
	s.times.Command = min(s.times.Command, 2*time.Second)
	s.times.Block = s.times.Command
	_, _ = s.exchange([]string{"QUIT"}, nil)
	s.conn.Close()
}

// blocks writes to the session's connection and gives each block its own time (RFC 5321 4.5.3.2.5).
type blocks struct{ s *session }

func (b blocks) Write(p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		_ = b.s.conn.SetWriteDeadline(time.Now().Add(b.s.times.Block)) // fails only where writing does
		var m int
		m, err = b.s.conn.Write(p[n:min(n+blockSize, len(p))])
		n += m
	}
	return n, err
}

// hangup is the error of a 421: the peer closes the connection, whatever was asked (RFC 5321 3.8).
type hangup struct{ Reply }

func (h *hangup) Error() string { return "peer closes the connection: " + h.String() }

// exchange sends commands in one write and appends their replies to replies, up to the one that ends the session.
func (s *session) exchange(commands []string, replies []Reply) ([]Reply, error) {
	if err := s.send(commands...); err != nil {
		return replies, err
	}
	for _, c := range commands {
		r, err := s.reply(verb(c), s.times.Command)
		if err != nil {
			return replies, err
		}
		replies = append(replies, r)
	}
	return replies, nil
}

// command is exchange for one command whose reply counts by the line.
func (s *session) command(c string) (replyLines, error) {
	if err := s.send(c); err != nil {
		return replyLines{}, err
	}
	return s.replyLines(verb(c), s.times.Command)
}

func (s *session) send(commands ...string) error {
	for _, c := range commands {
		_, _ = s.w.WriteString(c + "\r\n") // Flush gives its error
	}
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("sending %s: %w", verb(commands[0]), err)
	}
	return nil
}

func verb(command string) string {
	v, _, _ := strings.Cut(command, " ")
	return v
}

// reply reads the reply to what, whole within limit. A reply that what cannot have is an error.
func (s *session) reply(what string, limit time.Duration) (Reply, error) {
	lines, err := s.replyLines(what, limit)
	if err != nil {
		return Reply{}, err
	}
	return lines.reply(), nil
}

func (s *session) replyLines(what string, limit time.Duration) (replyLines, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(limit)) // fails only where reading does
	lines, err := readReply(s.r)
	if err != nil {
		return replyLines{}, fmt.Errorf("reading the reply to %s: %w", what, err)
	}
	r := lines.reply()
	switch {
	case r.Code == 421:
		return lines, &hangup{r}
	case r.Code/100 >= 4, what == "DATA" && r.Code == 354, what != "DATA" && r.OK():
		return lines, nil
	}
	return replyLines{}, fmt.Errorf("reply to %s out of place: %s", what, r)
}

// replyLines is a reply as read: its code and the text of each line.
type replyLines struct {
	code int
	text []string
}

var enhancedCode = regexp.MustCompile(`^([245])\.\d{1,3}\.\d{1,3}( |$)`)

// reply makes one line of l. An enhanced code counts if its class is the code's (RFC 3463 2).
func (l replyLines) reply() Reply {
	enhanced := strings.TrimRight(enhancedCode.FindString(l.text[0]), " ")
	if enhanced != "" && int(enhanced[0]-'0') != l.code/100 {
		enhanced = ""
	}
	texts := make([]string, len(l.text))
	for i, t := range l.text {
		texts[i] = strings.TrimSpace(strings.TrimPrefix(t, enhanced))
	}
	return newReply(l.code, enhanced, strings.Join(texts, " "))
}

// newReply makes text safe to be shown and logged.
func newReply(code int, enhanced, text string) Reply {
	text = strings.Map(func(c rune) rune {
		switch {
		case c == '\t' || c == '\n':
			return ' '
		case !unicode.IsPrint(c) || c == unicode.ReplacementChar:
			return '?'
		}
		return c
	}, text)
	if len(text) > maxReplyText {
		text = strings.ToValidUTF8(text[:maxReplyText], "")
	}
	return Reply{Code: code, Enhanced: enhanced, Text: text}
}

// readReply reads one reply of one or more lines (RFC 5321 4.2.1). r's buffer bounds the line.
func readReply(r *bufio.Reader) (replyLines, error) {
	var l replyLines
	for len(l.text) < maxReplyLines {
		line, err := readLine(r)
		if err != nil {
			return replyLines{}, err
		}
		code, text, more, ok := parseReplyLine(line)
		if !ok || len(l.text) > 0 && code != l.code {
			return replyLines{}, fmt.Errorf("malformed reply line %.80q", line)
		}
		l.code, l.text = code, append(l.text, text)
		if !more {
			return l, nil
		}
	}
	return replyLines{}, fmt.Errorf("reply of more than %d lines", maxReplyLines)
}

// readLine reads a line and gives it without its CRLF.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("reply line of more than %d octets", r.Size())
	case err == io.EOF && len(line) > 0:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok || strings.ContainsRune(text, '\r') {
		return "", fmt.Errorf("reply line %.80q: bare CR or LF", line)
	}
	return text, nil
}

// parseReplyLine splits a line into code and text; more says that other lines follow.
func parseReplyLine(line string) (code int, text string, more, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' || line[1] > '5' || line[2] < '0' || line[2] > '9' {
		return 0, "", false, false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, "", false, true
	}
	return code, line[4:], line[3] == '-', line[3] == '-' || line[3] == ' '
}

// transaction is a Mail on its way to become an Outcome.
type transaction struct {
	mail    Mail
	sent    []int // indexes of the recipients named to the peer: all whose address is one
	outcome Outcome
	heard   bool // the peer answered MAIL with another than 421: a further try would not be the same one
	keep    bool // the session can bear another transaction
}

// newTransaction settles at once the recipients whose address could not be sent without altering the command.
func newTransaction(m Mail) *transaction {
	t := &transaction{mail: m, outcome: Outcome{Replies: make([]Reply, len(m.Recipients))}}
	for i, a := range m.Recipients {
		switch {
		case m.From != "" && !safePath(m.From):
			t.outcome.Replies[i] = newReply(501, "5.1.7", "sender's address cannot be sent over SMTP")
		case !safePath(a):
			t.outcome.Replies[i] = newReply(501, "5.1.3", "recipient's address cannot be sent over SMTP")
		default:
			t.sent = append(t.sent, i)
		}
	}
	return t
}

// safePath reports whether a can stand between the brackets of a path and end only there. It is a guard against injected
// parameters and commands, not a judgement of addresses: those come checked.
func safePath(a string) bool {
	quoted, escaped := false, false
	for _, c := range []byte(a) {
		switch {
		case c < ' ' || c > '~':
			return false
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(" <>", c) >= 0:
			return false
		}
	}
	return a != "" && len(a) <= maxPath && !quoted
}

// settle gives r to the recipients that nobody has refused yet.
func (t *transaction) settle(r Reply) {
	for _, i := range t.sent {
		if p := &t.outcome.Replies[i]; p.Code == 0 || p.OK() {
			*p = r
		}
	}
}

// fail settles t by an error: a 421 is the peer's own reply, any other is told in one of ours.
func (t *transaction) fail(err error) *transaction {
	var bye *hangup
	if errors.As(err, &bye) {
		t.settle(bye.Reply)
		return t
	}
	t.outcome.Err = err
	enhanced := "4.4.2" // RFC 3463: bad connection
	switch {
	case errors.As(err, new(*TLSError)):
		enhanced = "4.7.5"
	case errors.As(err, new(*BodyError)):
		enhanced = "4.3.0"
	case errors.As(err, new(*refusal)):
		enhanced = "4.3.2"
	}
	t.settle(newReply(451, enhanced, err.Error()))
	return t
}

// run carries t through on s and settles it. If ctx ends, or anything but the peer's replies decided, the connection is cut and
// the error says why.
func (s *session) run(ctx context.Context, t *transaction) error {
	undo := s.cutWith(ctx)
	err := s.converse(t)
	if !undo() {
		t.keep = false
	}
	if err != nil {
		s.raw.Close()
		err = because(ctx, err)
		t.fail(err)
	}
	if !t.accepted() { // a further transaction would do no better
		for i := range t.outcome.Replies {
			t.outcome.Replies[i].TooMany = false
		}
	}
	return err
}

// because gives the end of ctx as the reason for err, if it is: then err is no fault of the peer's or the message's.
func because(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w (%v)", context.Cause(ctx), err)
}

func (s *session) converse(t *transaction) error {
	if limit := s.peer.sizeLimit; limit > 0 && t.mail.Size > limit { // RFC 1870 6.1
		t.settle(newReply(552, "5.3.4", fmt.Sprintf("message of %d octets; the receiving host takes %d", t.mail.Size, limit)))
		t.keep = true
		return nil
	}
	ready, err := s.envelope(t)
	switch {
	case err != nil || !ready:
		return err
	case !t.accepted():
		// DATA went with the RCPTs and was taken although none of these was: there is nothing to say.
		_, err = s.exchange([]string{"."}, nil)
		return err
	}
	return s.content(t)
}

// envelope sends MAIL, RCPT and DATA, as many at once as the peer allows, and records what each recipient was answered. It
// reports whether the peer waits for data.
func (s *session) envelope(t *transaction) (ready bool, err error) {
	lines := t.commands(s.peer)
	replies := make([]Reply, 0, len(lines))
	for err == nil && len(replies) < len(lines) && worthwhile(replies, len(lines)) {
		end := min(len(replies)+s.peer.depth(), len(lines))
		replies, err = s.exchange(lines[len(replies):end], replies)
	}
	t.heard = len(replies) > 0
	t.record(replies)
	if err != nil || len(replies) < len(lines) {
		return false, err
	}
	data := replies[len(replies)-1]
	if data.Code == 354 {
		return true, nil
	}
	t.settle(data)
	return false, nil
}

// record gives each recipient its own reply to RCPT, as far as they were read, or all of them the refusal of MAIL.
func (t *transaction) record(replies []Reply) {
	if len(replies) == 0 {
		return
	}
	if !replies[0].OK() {
		t.settle(replies[0])
		return
	}
	for k, r := range replies[1:min(len(replies), len(t.sent)+1)] {
		if r.tooMany() {
			r.Code, r.TooMany = 452, true
			if r.Enhanced != "" {
				r.Enhanced = "4.5.3"
			}
		}
		t.outcome.Replies[t.sent[k]] = r
	}
}

// tooMany reports whether r refuses a recipient only because the transaction has enough of them. RFC 5321 4.5.3.1.10 has 452
// for that and knows peers with 552. Both are also used for want of space: then a further transaction tells.
func (r Reply) tooMany() bool {
	switch {
	case r.Code != 452 && r.Code != 552:
		return false
	case r.Enhanced != "":
		return r.Enhanced[1:] == ".5.3"
	}
	return r.Code == 452 || strings.Contains(strings.ToLower(r.Text), "too many")
}

// accepted reports whether the peer took any recipient, and at the end: the message for any.
func (t *transaction) accepted() bool { return slices.ContainsFunc(t.outcome.Replies, Reply.OK) }

// worthwhile reports whether the commands after those answered are: not after a refused MAIL, and no DATA for nobody.
func worthwhile(replies []Reply, commands int) bool {
	switch len(replies) {
	case 0:
		return true
	case commands - 1:
		return slices.ContainsFunc(replies[1:], Reply.OK)
	}
	return replies[0].OK()
}

func (t *transaction) commands(peer extensions) []string {
	mail := "MAIL FROM:<" + t.mail.From + ">"
	if peer.size && t.mail.Size > 0 {
		mail += fmt.Sprintf(" SIZE=%d", t.mail.Size)
	}
	if peer.eightBit && t.mail.EightBit {
		mail += " BODY=8BITMIME"
	}
	lines := []string{mail}
	for _, i := range t.sent {
		lines = append(lines, "RCPT TO:<"+t.mail.Recipients[i]+">")
	}
	return append(lines, "DATA")
}
