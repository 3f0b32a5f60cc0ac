package dispatch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var abc = []string{"b1@peer.test", "b2@peer.test", "b3@peer.test"}

// envelope hears a pipelined transaction for abc and gives replies to MAIL, the RCPTs and DATA at once.
func (p *peer) envelope(replies ...string) {
	p.hear("MAIL FROM:<a@us.test>", "RCPT TO:<b1@peer.test>", "RCPT TO:<b2@peer.test>", "RCPT TO:<b3@peer.test>", "DATA")
	p.say(replies...)
}

// data is what goes for octets.
const data = "Subject: x\r\n\r\n..dot\r\n.\r\n"

func (p *peer) data() {
	if got := p.body(); got != data {
		p.fail("data %q", got)
	}
}

func TestDialogues(t *testing.T) {
	for _, c := range []struct {
		name  string
		peer  func(*peer) // after greeting and EHLO with PIPELINING
		want  string
		check func(Outcome) bool // nil: no Err, not Unknown
	}{
		{"taken", func(p *peer) {
			p.envelope("250 ok", "250 ok", "251 forwarded", "250 ok", "354 go")
			p.data()
			p.say("250 2.0.0 taken")
			p.bye()
		}, "250 2.0.0, 250 2.0.0, 250 2.0.0", nil},
		{"refused whole", func(p *peer) {
			p.envelope("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
			p.data()
			p.say("554 5.6.0 no")
			p.bye()
		}, "554 5.6.0, 554 5.6.0, 554 5.6.0", nil},
		{"each its own", func(p *peer) {
			p.envelope("250 ok", "450 4.2.1 later", "550 5.1.1 never", "250 ok", "354 go")
			p.data()
			p.say("250 ok")
			p.bye()
		}, "450 4.2.1, 550 5.1.1, 250", nil},
		{"refused ones stay so when the rest fails", func(p *peer) {
			p.envelope("250 ok", "450 4.2.1 later", "550 5.1.1 never", "250 ok", "354 go")
			p.data()
			p.say("451 4.3.0 ouch")
			p.bye()
		}, "450 4.2.1, 550 5.1.1, 451 4.3.0", nil},
		{"nobody taken, 354", func(p *peer) {
			p.envelope("250 ok", "550 5.1.1 no", "550 5.1.1 no", "450 4.2.1 no", "354 go")
			p.hear(".")
			p.say("554 5.5.1 no valid recipients")
			p.bye()
		}, "550 5.1.1, 550 5.1.1, 450 4.2.1", nil},
		{"nobody taken, no 354", func(p *peer) {
			p.envelope("250 ok", "550 5.1.1 no", "550 5.1.1 no", "550 5.1.1 no", "503 5.5.1 no valid recipients")
			p.bye()
		}, "550 5.1.1, 550 5.1.1, 550 5.1.1", nil},
		{"MAIL refused", func(p *peer) {
			p.envelope("550 5.7.1 not you", "503 first MAIL", "503 first MAIL", "503 first MAIL", "503 first MAIL")
			p.bye()
		}, "550 5.7.1, 550 5.7.1, 550 5.7.1", nil},
		{"MAIL refused, 354", func(p *peer) {
			p.envelope("450 4.7.1 slowly", "503 first MAIL", "503 first MAIL", "503 first MAIL", "354 go")
			p.hear(".")
			p.say("503 what?")
			p.bye()
		}, "450 4.7.1, 450 4.7.1, 450 4.7.1", nil},
		{"DATA refused", func(p *peer) {
			p.envelope("250 ok", "250 ok", "550 5.1.1 no", "250 ok", "452 4.3.1 disk full")
			p.bye()
		}, "452 4.3.1, 550 5.1.1, 452 4.3.1", nil},
		{"lost 250", func(p *peer) { // attacks.md 18
			p.envelope("250 ok", "250 ok", "550 5.1.1 no", "250 ok", "354 go")
			p.data()
		}, "451 4.4.2, 550 5.1.1, 451 4.4.2", func(o Outcome) bool { return o.Unknown && errors.Is(o.Err, io.EOF) }},
		{"garbled 250", func(p *peer) {
			p.envelope("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
			p.data()
			p.say("250-yes", "550 no")
			p.gone()
		}, "451 4.4.2, 451 4.4.2, 451 4.4.2", func(o Outcome) bool { return o.Unknown && o.Err != nil }},
		{"no final reply", func(p *peer) {
			p.envelope("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
			p.data()
			from := time.Now()
			p.gone()
			if took := time.Since(from); took != 10*time.Minute {
				p.fail("waited %v", took)
			}
		}, "451 4.4.2, 451 4.4.2, 451 4.4.2", func(o Outcome) bool { return o.Unknown && isTimeout(o.Err) }},
		{"421 to MAIL", func(p *peer) {
			p.envelope("421 4.3.2 shutting down")
			p.gone()
		}, "421 4.3.2, 421 4.3.2, 421 4.3.2", nil},
		{"421 amid the RCPTs", func(p *peer) {
			p.envelope("250 ok", "550 5.1.1 no", "421 4.3.2 shutting down")
			p.gone()
		}, "550 5.1.1, 421 4.3.2, 421 4.3.2", nil},
		{"421 to DATA", func(p *peer) {
			p.envelope("250 ok", "250 ok", "550 5.1.1 no", "250 ok", "421 4.3.2 shutting down")
			p.gone()
		}, "421 4.3.2, 550 5.1.1, 421 4.3.2", nil},
		{"421 to the message", func(p *peer) {
			p.envelope("250 ok", "250 ok", "550 5.1.1 no", "250 ok", "354 go")
			p.data()
			p.say("421 4.3.2 shutting down")
			p.gone()
		}, "421 4.3.2, 550 5.1.1, 421 4.3.2", nil},
		{"gone amid the RCPTs", func(p *peer) {
			p.envelope("250 ok", "250 ok", "550 5.1.1 no")
		}, "451 4.4.2, 550 5.1.1, 451 4.4.2", func(o Outcome) bool { return !o.Unknown && errors.Is(o.Err, io.EOF) }},
		{"250 to DATA", func(p *peer) {
			p.envelope("250 ok", "250 ok", "250 ok", "250 ok", "250 ok")
			p.gone()
		}, "451 4.4.2, 451 4.4.2, 451 4.4.2", func(o Outcome) bool { return strings.Contains(fmt.Sprint(o.Err), "DATA out of place: 250") }},
		{"354 to RCPT", func(p *peer) {
			p.envelope("250 ok", "354 go", "250 ok", "250 ok", "354 go")
			p.gone()
		}, "451 4.4.2, 451 4.4.2, 451 4.4.2", func(o Outcome) bool { return strings.Contains(fmt.Sprint(o.Err), "RCPT out of place") }},
		{"dripping", func(p *peer) { // attacks.md 18: the time is for the whole reply
			p.hear("MAIL FROM:<a@us.test>", "RCPT TO:<b1@peer.test>", "RCPT TO:<b2@peer.test>", "RCPT TO:<b3@peer.test>", "DATA")
			from := time.Now()
			var dripping sync.WaitGroup
			dripping.Go(p.drip)
			defer dripping.Wait()
			p.gone()
			if took := time.Since(from); took != 5*time.Minute {
				p.fail("waited %v", took)
			}
		}, "451 4.4.2, 451 4.4.2, 451 4.4.2", func(o Outcome) bool { return !o.Unknown && isTimeout(o.Err) }},
		{"stalling in the data", func(p *peer) {
			p.envelope("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
			from := time.Now()
			<-time.After(4 * time.Minute)
			if got := p.rest(); got != "" {
				p.fail("heard %q", got)
			}
			if took := time.Since(from); took != 4*time.Minute {
				p.fail("waited %v", took)
			}
		}, "451 4.4.2, 451 4.4.2, 451 4.4.2", func(o Outcome) bool { return !o.Unknown && isTimeout(o.Err) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, script(t, func(p *peer) {
					p.welcome("PIPELINING")
					c.peer(p)
				}))
				o := p.Send(t.Context(), clear, mail(abc...))
				if codes(o) != c.want {
					t.Errorf("%s; want %s (%v)", codes(o), c.want, o.Err)
				}
				if c.check == nil && (o.Err != nil || o.Unknown) || c.check != nil && !c.check(o) {
					t.Errorf("%v, unknown %v", o.Err, o.Unknown)
				}
			})
		})
	}
}

// drip sends an octet a minute, by the bubble's clock.
func (p *peer) drip() {
	for _, err := p.conn.Write([]byte("2")); err == nil; _, err = p.conn.Write([]byte("2")) {
		<-time.After(time.Minute)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestWithoutPipelining(t *testing.T) {
	for _, c := range []struct {
		name string
		peer func(*peer)
		want string
	}{
		{"taken", (*peer).takes, "250 2.0.0"},
		{"MAIL refused", func(p *peer) {
			p.hear("MAIL FROM:<a@us.test>")
			p.say("550 5.7.1 no")
		}, "550 5.7.1"},
		{"no DATA for nobody", func(p *peer) {
			p.hear("MAIL FROM:<a@us.test>")
			p.say("250 ok")
			p.hear("RCPT TO:<b@peer.test>")
			p.say("550 5.1.1 no")
		}, "550 5.1.1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, script(t, func(p *peer) {
				p.welcome("SIZE")
				c.peer(p)
				p.bye()
			}))
			if o := p.Send(t.Context(), clear, mail()); codes(o) != c.want || o.Err != nil {
				t.Errorf("%s: %s, %v", c.name, codes(o), o.Err)
			}
		})
	}
}

func TestTooMany(t *testing.T) {
	for _, c := range []struct {
		name    string
		replies []string
		want    string
		tooMany string // a digit for each recipient
	}{
		{"452 4.5.3", []string{"250 ok", "452 4.5.3 enough", "452 4.5.3 enough"}, "250, 452 4.5.3, 452 4.5.3", "011"},
		{"bare 452", []string{"250 ok", "250 ok", "452 enough"}, "250, 250, 452", "001"},
		{"552 of old", []string{"250 ok", "552 Too many recipients", "552 5.5.3 enough"}, "250, 452, 452 4.5.3", "011"},
		{"552 to one", []string{"552 5.5.3 enough", "250 ok", "250 ok"}, "452 4.5.3, 250, 250", "100"},
		{"full mailboxes", []string{"250 ok", "452 4.2.2 full", "552 5.2.2 full"}, "250, 452 4.2.2, 552 5.2.2", "000"},
		{"full mailbox of old", []string{"250 ok", "552 quota exceeded", "250 ok"}, "250, 552, 250", "000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, script(t, func(p *peer) {
					p.welcome("PIPELINING")
					p.envelope(append(append([]string{"250 ok"}, c.replies...), "354 go")...)
					p.data()
					p.say("250 ok")
					p.bye()
				}))
				o := p.Send(t.Context(), clear, mail(abc...))
				got := ""
				for _, r := range o.Replies {
					got += map[bool]string{true: "1", false: "0"}[r.TooMany && r.Temporary()]
				}
				if codes(o) != c.want || got != c.tooMany {
					t.Errorf("%s %s; want %s %s", codes(o), got, c.want, c.tooMany)
				}
			})
		})
	}
}

// Where nobody was served, going on at once would be going on for ever.
func TestTooManyForNobody(t *testing.T) {
	for name, rest := range map[string]func(*peer){
		"all too many": func(p *peer) {
			p.envelope("250 ok", "452 4.5.3 enough", "552 5.5.3 enough", "452 enough", "503 nobody")
			p.bye()
		},
		"message refused": func(p *peer) {
			p.envelope("250 ok", "250 ok", "552 5.5.3 enough", "452 4.5.3 enough", "354 go")
			p.data()
			p.say("451 4.3.0 ouch")
			p.bye()
		},
		"lost 250": func(p *peer) {
			p.envelope("250 ok", "250 ok", "552 5.5.3 enough", "452 4.5.3 enough", "354 go")
			p.data()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, script(t, func(p *peer) {
				p.welcome("PIPELINING")
				rest(p)
			}))
			for _, r := range p.Send(t.Context(), clear, mail(abc...)).Replies {
				if r.TooMany || !r.Temporary() {
					t.Errorf("%s: %+v", name, r)
				}
			}
		})
	}
}

func TestParameters(t *testing.T) {
	for _, c := range []struct {
		extension string
		size      int64
		eightBit  bool
		want      string
	}{
		{"HELP", int64(len(octets)), true, ""},
		{"SIZE", int64(len(octets)), true, " SIZE=20"},
		{"SIZE 20", int64(len(octets)), false, " SIZE=20"},
		{"SIZE 1", 0, false, ""},
		{"size 0", int64(len(octets)), false, " SIZE=20"},
		{"8bitmime", 0, true, " BODY=8BITMIME"},
		{"8BITMIME", 0, false, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, script(t, func(p *peer) {
				p.welcome(c.extension)
				p.hear("MAIL FROM:<>" + c.want)
				p.say("250 ok")
				p.hear("RCPT TO:<b@peer.test>")
				p.say("250 ok")
				p.hear("DATA")
				p.say("354 go")
				p.data() // the same octets, whatever was announced (design.md 5)
				p.say("250 ok")
				p.bye()
			}))
			m := mail()
			m.From, m.Size, m.EightBit = "", c.size, c.eightBit
			if o := p.Send(t.Context(), clear, m); codes(o) != "250" {
				t.Errorf("%+v: %s, %v", c, codes(o), o.Err)
			}
		})
	}
}

func TestTooBigForPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, script(t, func(p *peer) {
			p.welcome("SIZE 19")
			p.takes() // the connection serves the next message
			p.bye()
		}))
		m := mail(abc...)
		m.Size = 20
		o := p.Send(t.Context(), clear, m)
		if codes(o) != "552 5.3.4, 552 5.3.4, 552 5.3.4" || !o.Replies[0].Permanent() || o.Err != nil {
			t.Errorf("%s, %v", codes(o), o.Err)
		}
		if o := p.Send(t.Context(), clear, mail()); codes(o) != "250 2.0.0" {
			t.Errorf("the next: %s, %v", codes(o), o.Err)
		}
	})
}

func TestBodyFaults(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		name string
		size int64
		body func(io.Writer) error
		want error
	}{
		{"fails midway", 0, func(w io.Writer) error {
			_, _ = io.WriteString(w, octets)
			return broken
		}, broken},
		{"bare LF", 0, text("a\r\n\n.\r\n"), ErrBareLine}, // attacks.md 7
		{"bare CR at the end", 0, text("a\r\nb\r"), ErrBareLine},
		{"bare LF, error ignored", 0, func(w io.Writer) error {
			_, _ = io.WriteString(w, "a\nb\r\n")
			_, _ = io.WriteString(w, "c\r\n")
			return nil
		}, ErrBareLine},
		{"too short", 30, text(octets), nil},
		{"too long", 10, text(octets), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, script(t, func(p *peer) {
					p.welcome("PIPELINING")
					p.envelope("250 ok", "550 5.1.1 no", "250 ok", "250 ok", "354 go")
					if rest := "\r\n" + p.rest(); strings.Contains(rest, "\r\n.\r\n") || strings.Contains(rest, "QUIT") {
						p.fail("the data were ended: %q", rest)
					}
				}))
				m := mail(abc...)
				m.Size, m.Body = c.size, c.body
				o := p.Send(t.Context(), clear, m)
				var fault *BodyError
				if codes(o) != "550 5.1.1, 451 4.3.0, 451 4.3.0" || !errors.As(o.Err, &fault) || o.Unknown || c.want != nil && !errors.Is(o.Err, c.want) {
					t.Errorf("%s, %v", codes(o), o.Err)
				}
			})
		})
	}
}

// A long body that meets a dead connection is the network's fault, also when Body wraps the error in its own.
func TestLostAmidTheData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, script(t, func(p *peer) {
			p.welcome("PIPELINING")
			p.envelope("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
		}))
		m := mail(abc...)
		m.Body = func(w io.Writer) error {
			_, err := w.Write([]byte(strings.Repeat("0123456789abcd\r\n", 1<<14)))
			return fmt.Errorf("copying: %v", err)
		}
		o := p.Send(t.Context(), clear, m)
		if codes(o) != "451 4.4.2, 451 4.4.2, 451 4.4.2" || errors.As(o.Err, new(*BodyError)) || o.Unknown {
			t.Errorf("%s, %v, unknown %v", codes(o), o.Err, o.Unknown)
		}
	})
}

func TestUnsafeAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, script(t, func(p *peer) {
			p.welcome()
			p.takes()
			p.bye()
		}))
		o := p.Send(t.Context(), clear, mail("x@y.test>\r\nRCPT TO:<z@y.test", "b@peer.test", "è@y.test"))
		if codes(o) != "501 5.1.3, 250 2.0.0, 501 5.1.3" {
			t.Error(codes(o), o.Err)
		}
		m := mail(abc...)
		m.From = "a@us.test> SIZE=1"
		if o := p.Send(t.Context(), clear, m); codes(o) != "501 5.1.7, 501 5.1.7, 501 5.1.7" {
			t.Error(codes(o), o.Err)
		}
	})
}

// Many recipients go in groups, whose replies are read before the next.
func TestManyRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to []string
		for i := range 2*pipelineDepth + 1 {
			to = append(to, fmt.Sprintf("b%d@peer.test", i))
		}
		p := newPool(t, script(t, func(p *peer) {
			p.welcome("PIPELINING")
			p.r = bufio.NewReaderSize(p.conn, 1<<20)
			for i := range len(to) + 2 {
				if _, err := p.r.ReadString('\n'); err != nil {
					p.fail("command %d: %v", i, err)
				}
				if i%pipelineDepth == pipelineDepth-1 || i > len(to) {
					if n := p.r.Buffered(); n > 0 {
						p.fail("%d octets ahead", n)
					}
					p.say(strings.TrimSuffix(strings.Repeat("250 ok\r\n", i%pipelineDepth), "\r\n"))
					p.say(map[bool]string{true: "354 go", false: "250 ok"}[i > len(to)])
				}
			}
			p.data()
			p.say("250 2.0.0 taken")
			p.bye()
		}))
		o := p.Send(t.Context(), clear, mail(to...))
		if want := strings.TrimSuffix(strings.Repeat("250 2.0.0, ", len(to)), ", "); codes(o) != want {
			t.Error(codes(o), o.Err)
		}
	})
}

func TestCancelled(t *testing.T) {
	for _, c := range []struct {
		name    string
		peer    func(p *peer, cancel func())
		unknown bool
	}{
		{"before the greeting", func(p *peer, cancel func()) { cancel() }, false},
		{"within the envelope", func(p *peer, cancel func()) {
			p.welcome("PIPELINING")
			p.envelope("250 ok", "250 ok")
			cancel()
		}, false},
		{"before the final reply", func(p *peer, cancel func()) {
			p.welcome("PIPELINING")
			p.envelope("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
			p.data()
			cancel()
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				p := newPool(t, script(t, func(p *peer) {
					c.peer(p, cancel)
					p.gone()
				}))
				from := time.Now()
				o := p.Send(ctx, clear, mail(abc...))
				if codes(o) != "451 4.4.2, 451 4.4.2, 451 4.4.2" || !errors.Is(o.Err, context.Canceled) || o.Unknown != c.unknown || time.Since(from) > 0 {
					t.Errorf("%s, %v, unknown %v", codes(o), o.Err, o.Unknown)
				}
			})
		})
	}
}
