// Package postgrestest gives tests a real PostgreSQL: a server for the tests of a process, servers that a test stops,
// freezes and starts again, a look behind the program's back, and a proxy that cuts connections at a chosen message.
// Only tests import it. It needs PostgreSQL's own programs (initdb, postgres, pg_isready, psql) and no driver.
//
// A package's TestMain calls Main, then its tests call URL. The first call starts one server for the whole process, so
// that a run without such tests costs nothing. CERALACCA_POSTGRES, or the flag -postgres, names a server that is there
// already; schemas that tests make there stay. A URL names a schema of its own as the search_path, so tests share a
// server without seeing one another. The schema is not made: that is for the program under test.
//
// A server that the package starts listens on a port of 127.0.0.1 that lies below those of outgoing connections (a
// client that tries again and again while the server is down would otherwise meet itself one day), trusts everybody
// there, and syncs and checksums what it writes. Its directory lies in the system's directory for temporary files, whose
// parents everybody must be able to enter: root's server runs as the user postgres, or nobody.
//
// A server ends, at once and with its directory, when its test ends or the process does, also by kill -9: a shell holds
// one end of a pipe from the test process and ends the server when the other end is gone. What the server logged while
// a test ran is in the test's log if the test failed.
//
// Every function that takes a testing.TB ends the test when it fails, so it is to be called by the test's goroutine.
package postgrestest
