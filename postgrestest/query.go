package postgrestest

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Query runs SQL statements through psql, each in a transaction of its own, in the schema that the URL's search_path
// names, and returns their rows: columns separated by "|", rows by newlines, NULL is empty. A COPY FROM STDIN takes its
// data from the lines that follow it. The first statement that fails ends the test.
func Query(t testing.TB, location, sql string) string {
	t.Helper()
	cmd, err := psql(location)
	if err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
	var output, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(sql), &output, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("postgrestest: psql of %.200q: %v: %s", sql, err, complaint.String())
	}
	return strings.TrimSuffix(output.String(), "\n")
}

// psql prepares the program. Unlike drivers it knows no search_path in a URL.
func psql(location string) (*exec.Cmd, error) {
	program, err := psqlProgram()
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(location)
	if err != nil {
		return nil, err
	}
	query := address.Query()
	path := query.Get("search_path")
	query.Del("search_path")
	address.RawQuery = query.Encode()

	cmd := exec.Command(program, "--no-psqlrc", "--quiet", "--no-align", "--tuples-only",
		"--set", "ON_ERROR_STOP=1", "--dbname", address.String())
	cmd.Env = append(withoutPG(os.Environ()), "PGCONNECT_TIMEOUT=30", "PGGSSENCMODE=disable")
	if path != "" {
		cmd.Env = append(cmd.Env, "PGOPTIONS=-c search_path="+path)
	}
	return cmd, nil
}
