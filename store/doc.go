// Package store keeps a provider's mailboxes, messages, tracking, tasks and records: one transaction a fact. It has two
// engines under one text of SQL: SQLite with segment files, for one process, and PostgreSQL, for any number of them.
//
// # What it guarantees
//
// A method that commits a fact returns nil when everything that the fact says is durable: its octets, its rows, its record
// and the tasks that follow from it. If it returns another error than ErrUnknown, nothing of the fact is or will be there.
// After ErrUnknown nobody knows yet, and nothing may be said: on SQLite the process has to end, and the next start decides by
// reading what is on the disk; on PostgreSQL the very same fact is run again until its outcome is known, while the caller lets
// go of its client without a word. Nothing may be said to anybody before the fact that justifies it has returned nil.
//
// Conditions are part of the commit: a batch that rests on a state carries a guard, and fails with ErrConflict if that
// state has changed. Work that follows from a fact is a task row of the same commit, and is finished by the commit of
// the fact that does it. So a crash loses nothing, and recovery is the ordinary path run again.
//
// What a commit makes due goes to the workers of this process in memory; the table is looked at when the process starts, when
// something comes due later, when more is due than a queue holds and, where there may be other processes, every five seconds.
// Holders take turns, and a target has so many workers at most, so that neither a burst nor a peer that stalls delays others
// (queue.go, turns.go).
//
// Octets are stored once. A content is what was written in one go: a submission as it was received, an arrival as it was
// received, or a recipe. A message is a recipe: literals, and spans of contents. The exact octets come back.
//
// # SQLite: what is on the disk
//
//	lock        one process holds it; it goes with the process
//	store.db    rows: SQLite, write-ahead log, synchronous FULL (migrations/sqlite)
//	segments/   contents up to 256 KiB, appended in groups (segment.go has the format)
//	contents/   longer contents, a file each, by the last octet of their id
//	lost+found/ what a crash left that no fact names; never deleted by the program
//
// Octets are synced before the rows that name them. The commits of many facts share a sync; none waits while the disk is
// idle. A group of frames ends with a mark that has the store's id and the group's number, and the commit that names the
// group stores the same number. A mark is written only after the commit of the group before has returned.
//
// # SQLite: what happens on failure
//
// A message that cannot be spooled fails alone (ErrSpool). A failed write or sync of a segment or of the database, or a
// failed sync of a content file, ends the process through Options.Fatal: the kernel may have dropped octets and will not
// say so twice. At start, what lies behind the last committed group moves to lost+found: one marked group at most and a
// torn end. Two marked groups ahead mean a database older than the octets; a bad frame or a missing octet within what was
// committed since the last checkpoint is damage: Open refuses, names the messages and changes nothing. Older frames are
// checked whenever they are read; a bad one fails that message alone, with a DamageError. So does a content file that is
// missing or has another length; its digest is compared by VerifyContents only.
//
// # PostgreSQL: what is durable when
//
// A fact is one transaction in one round trip, and is durable when the server has answered its COMMIT; synchronous_commit is
// never off and fsync = off is refused. Contents up to 256 KiB are rows of that transaction. Longer ones wait in a file of
// spool/ in the data directory while they arrive, are uploaded in chunks before the fact, and are read in chunks. The data
// directory has nothing else but a lock and the process's token, and nothing that lasts (migrations/postgres).
//
// # PostgreSQL: what happens on failure
//
// An attempt that certainly left nothing (a deadlock, no connection) is made again for two seconds, then it is ErrUnavailable:
// 451. One whose outcome is not known is run again until it is, with the same id, which each batch puts into the table once
// first: done before means done. Past a minute the caller gets ErrUnknown and the batch goes on being run. One that is refused
// when it is run again is buried there, so that no earlier run of it can be committed any more (postgres_commit.go).
//
// # PostgreSQL: several processes
//
// A process claims tasks with its token and keeps them while its lease lasts, by the database's clock; what it finishes is
// guarded by the token, so one that was frozen and taken over changes nothing (postgres_node.go). UIDs and MODSEQ are taken
// from rows that stay locked until the commit: nobody sees them out of order. Changes are hinted to other processes' sessions
// and workers; any hint may be lost, for sessions compare every ten seconds (postgres_hints.go). Facts get their numbers a
// moment after their commit, without gaps. Nobody changes the schema while a program runs on it (postgres_schema.go).
package store
