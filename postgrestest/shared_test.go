package postgrestest

import (
	"net/url"
	"strings"
	"testing"
)

func TestURLsShareAServerButNoSchema(t *testing.T) {
	first, second := URL(t), URL(t)
	table(t, first)
	table(t, second)
	Query(t, first, "insert into said values ('first')")
	Query(t, second, "insert into said values ('second')")
	equal(t, "first", Query(t, first, "select word from said"), "first")
	equal(t, "second", Query(t, second, "select word from said"), "second")
	equal(t, "the server of both", address(t, first), address(t, second))
}

func address(t *testing.T, location string) string {
	t.Helper()
	parsed, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Host
}

func TestServerIsSetUpForDurability(t *testing.T) {
	location := URL(t)
	for setting, want := range map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on",
		"server_encoding": "UTF8", "lc_collate": "C", "max_connections": "200", "log_lock_waits": "on",
		"listen_addresses": "127.0.0.1", "search_path": schemaOf(t, location),
	} {
		equal(t, setting, Query(t, location, "show "+setting), want)
	}
}

func TestQueryGivesRows(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1, null, 'a b'":        "1||a b",
		"select generate_series(1, 3)": "1\n2\n3",
		"select where false":           "",
		"select E'x\\n'":               "x\n",
		"select 1; select 2":           "1\n2",
		"create temp table c (n int); copy c from stdin;\n4\n5\n\\.\nselect sum(n) from c": "9",
	} {
		equal(t, sql, Query(t, URL(t), sql), want)
	}
}

func TestServerEndsAfterTheTestsOfMain(t *testing.T) {
	t.Parallel()
	c := newChild(t, "", "-test.run=^TestURLsShareAServerButNoSchema$", "-test.v")
	output, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	c.expectClean(t) // before the end of the process would have seen to it
	contains(t, "output", string(output), "--- PASS: TestURLsShareAServerButNoSchema")
	c.awaitEnd(t)
}

func TestServerThatIsNamedIsUsed(t *testing.T) {
	named := URL(t)
	schemas := `select nspname from pg_namespace where nspname like 't\_%' order by oid`
	before := Query(t, named, schemas)
	c := newChild(t, "", "-test.run=^TestURLsShareAServerButNoSchema$")
	c.Env = append(c.Env, Variable+"="+named)
	if output, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	added := strings.Fields(strings.TrimPrefix(Query(t, named, schemas), before))
	if len(added) != 2 {
		t.Errorf("the child's tests have made the schemas %q here, want two", added)
	}
	c.awaitEnd(t)
}

func TestURLWithoutMainFails(t *testing.T) {
	c := newChild(t, "withoutMain", "-test.run=^TestURLsShareAServerButNoSchema$")
	output, err := c.CombinedOutput()
	if err == nil {
		t.Error("the test passed")
	}
	contains(t, "output", string(output), "TestMain has to call postgrestest.Main")
}
