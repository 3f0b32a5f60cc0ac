package postgrestest

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestActions sends one transaction through the proxy, harms one message, and looks at both ends.
func TestActions(t *testing.T) {
	server := URL(t)
	table(t, server)
	for _, c := range []struct {
		name   string
		from   Side
		kind   byte
		action Action
		heard  string // by the client
		octets int    // of a message that came in part
		rows   string // that the server has committed
	}{
		{"nothing", FromClient, 0, CutAfter, "12nCZ", 0, "1"},
		{"before client parse", FromClient, 'P', CutBefore, "", 0, "0"},
		{"before client execute", FromClient, 'E', CutBefore, "", 0, "0"},
		{"before client sync", FromClient, 'S', CutBefore, "", 0, "0"},
		{"within client sync", FromClient, 'S', CutWithin, "", 0, "0"},
		{"after client execute", FromClient, 'E', CutAfter, "", 0, "0"},
		{"after client sync", FromClient, 'S', CutAfter, "", 0, "1"},
		{"before server first", FromServer, '1', CutBefore, "", 0, "1"},
		{"after server complete", FromServer, 'C', CutAfter, "12nC", 0, "1"},
		{"within server complete", FromServer, 'C', CutWithin, "12n", 8, "1"},
		{"before server ready", FromServer, 'Z', CutBefore, "12nC", 0, "1"},
		{"within server ready", FromServer, 'Z', CutWithin, "12nC", 3, "1"},
		{"after server ready", FromServer, 'Z', CutAfter, "12nCZ", 0, "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			proxy := NewProxy(t, server)
			client := dial(t, proxy.URL())
			proxy.Arm(func(m Message) Action {
				if m.From == c.from && m.Kind == c.kind {
					return c.action
				}
				return Pass
			})
			client.sendFinally(pipelineDescribed("insert into said values ('" + c.name + "')"))
			kinds, octets := client.rest()
			proxy.Settle()
			if kinds != c.heard || octets != c.octets {
				t.Errorf("heard %q and %d octets, want %q and %d", kinds, octets, c.heard, c.octets)
			}
			equal(t, "rows", Query(t, server, "select count(*) from said where word = '"+c.name+"'"), c.rows)
			proxy.Disarm()
			equal(t, "a new connection's answer", Query(t, proxy.URL(), "select 7"), "7")
		})
	}
}

func TestSwallowedConnectionsStayUpUntilDisarm(t *testing.T) {
	server := URL(t)
	table(t, server)
	for name, c := range map[string]struct {
		from Side
		kind byte
		rows string
	}{
		"client": {FromClient, 'S', "0"},
		"server": {FromServer, '1', "1"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := NewProxy(t, server)
			client := dial(t, proxy.URL())
			come := make(chan bool)
			proxy.Arm(func(m Message) Action {
				if m.From == c.from && m.Kind == c.kind {
					close(come)
					return Swallow
				}
				return Pass
			})
			client.send(pipeline("insert into said values ('" + name + "')"))
			<-come
			client.expectSilence()
			proxy.Disarm()
			if kinds, octets := client.rest(); kinds != "" || octets != 0 {
				t.Errorf("heard %q and %d octets after all", kinds, octets)
			}
			proxy.Settle()
			equal(t, "rows", Query(t, server, "select count(*) from said where word = '"+name+"'"), c.rows)
		})
	}
}

func TestFaultSeesEveryMessageSinceArm(t *testing.T) {
	proxy := NewProxy(t, URL(t))
	first := dial(t, proxy.URL())
	var mu sync.Mutex
	seen := map[int][2]string{}
	proxy.Arm(func(m Message) Action {
		mu.Lock()
		defer mu.Unlock()
		kinds := seen[m.Conn]
		kinds[m.From] += string(max(m.Kind, '-'))
		if len(kinds[m.From]) != m.N {
			t.Errorf("%+v is number %d", m, len(kinds[m.From]))
		}
		seen[m.Conn] = kinds
		return Pass
	})
	first.send(pipeline("select 1"))
	first.until('Z')
	second := dial(t, proxy.URL())
	second.query("select 1")
	second.until('Z')
	mu.Lock()
	defer mu.Unlock()
	equal(t, "first client", seen[1][FromClient], "PBES")
	equal(t, "its server", seen[1][FromServer], "12DCZ")
	equal(t, "second client", seen[2][FromClient], "-Q")
	equal(t, "end of its server", seen[2][FromServer][len(seen[2][FromServer])-5:], "ZTDCZ")
}

func TestFaultMayUseTheProxy(t *testing.T) {
	for name, onQuery := range map[string]func(*Proxy) Action{
		"refuse":              func(p *Proxy) Action { p.Refuse(true); return Pass },
		"swallow, but disarm": func(p *Proxy) Action { p.Refuse(false); p.Disarm(); return Swallow },
	} {
		t.Run(name, func(t *testing.T) {
			proxy := NewProxy(t, URL(t))
			client := dial(t, proxy.URL())
			proxy.Arm(func(m Message) Action {
				if m.Kind == 'Q' {
					return onQuery(proxy)
				}
				return Pass
			})
			client.query("select 1")
			if kinds, octets := client.rest(); kinds != "" || octets != 0 {
				t.Errorf("heard %q and %d octets", kinds, octets)
			}
		})
	}
}

func TestCut(t *testing.T) {
	server := URL(t)
	table(t, server)
	proxy := NewProxy(t, server)
	first, second := dial(t, proxy.URL()), dial(t, proxy.URL())
	first.query("begin; insert into said values ('not committed')")
	first.until('Z')
	proxy.Cut()
	first.expectEnd()
	second.expectEnd()
	proxy.Settle()
	equal(t, "rows", Query(t, server, "begin; lock table said; select count(*) from said"), "0")
	third := dial(t, proxy.URL())
	third.query("select 1")
	third.until('Z')
}

func TestRefuse(t *testing.T) {
	proxy := NewProxy(t, URL(t))
	present := dial(t, proxy.URL())
	proxy.Refuse(true)
	present.expectEnd()
	expectRefusal(t, proxy)
	proxy.Refuse(false)
	equal(t, "answer", Query(t, proxy.URL(), "select 1"), "1")
}

func expectRefusal(t *testing.T, proxy *Proxy) {
	t.Helper()
	refused, err := connect(proxy.URL())
	if err != nil {
		return // reset while the first message was written
	}
	defer refused.conn.Close()
	if octet, err := refused.r.ReadByte(); err == nil {
		t.Errorf("a refused connection gives %q", octet)
	}
}

func TestHang(t *testing.T) {
	server := URL(t)
	table(t, server)
	proxy := NewProxy(t, server)
	patient, hasty := dial(t, proxy.URL()), dial(t, proxy.URL())
	hasty.query("begin; insert into said values ('hasty')")
	hasty.until('Z')
	proxy.Hang(true)
	patient.query("insert into said values ('patient')")
	patient.expectSilence()
	fresh, err := connect(proxy.URL())
	if err != nil {
		t.Fatal(err)
	}
	fresh.t = t
	defer fresh.conn.Close()
	fresh.expectSilence()
	hasty.conn.Close() // the server must not hear of it: what it holds is held
	holding := Query(t, server, "select count(*) from pg_stat_activity where state = 'idle in transaction' and query like '%hasty%'")
	equal(t, "sessions that hold a transaction", holding, "1")
	equal(t, "rows while it hangs", Query(t, server, "select word from said"), "")

	var judged atomic.Bool
	proxy.Arm(func(m Message) Action { // what waits is judged when it passes
		judged.CompareAndSwap(false, m.From == FromClient && m.Kind == 'Q')
		return Pass
	})
	proxy.Hang(false)
	equal(t, "answer", patient.until('Z'), "CZ")
	fresh.until('Z')
	if !judged.Load() {
		t.Error("the fault has not seen what waited")
	}
	equal(t, "rows afterwards", Query(t, server, "begin; lock table said; select word from said"), "patient")
	proxy.Hang(true)
	proxy.Cut()
	patient.expectEnd()
}
