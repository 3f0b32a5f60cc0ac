-- Schema 1. Instants are microseconds since 1970 UTC of the law's clock; ids are 16 octets; keys of addresses and of
-- directory entries are lower case. A column named fact is the guard's stamp: the fact that changed the row last.

-- A row here makes its batch fail: INSERT INTO guard SELECT 1 WHERE NOT EXISTS (what must hold).
CREATE TABLE guard (no INTEGER NOT NULL CHECK (no = 0));

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The end of the committed frames, and the place up to which recovery need not look at frames again.
CREATE TABLE tail (
  one INTEGER PRIMARY KEY CHECK (one = 1), grp INTEGER NOT NULL, segment INTEGER NOT NULL, place INTEGER NOT NULL,
  checked_segment INTEGER NOT NULL, checked_place INTEGER NOT NULL
);
INSERT INTO tail VALUES (1, 0, 0, 0, 0, 0);

-- One row a fact: the record's octets as they were written once, and the salt of its leaf (design.md 6).
CREATE TABLE fact (
  id BLOB PRIMARY KEY, no INTEGER NOT NULL UNIQUE, at INTEGER NOT NULL,
  salt BLOB NOT NULL, record BLOB NOT NULL
) WITHOUT ROWID;

-- Index over the records: what happened to which message and recipient.
CREATE TABLE event (
  provider TEXT NOT NULL, pec_id TEXT NOT NULL, recipient TEXT NOT NULL, kind TEXT NOT NULL,
  fact BLOB NOT NULL REFERENCES fact(id), n INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient, kind, fact, n)
) WITHOUT ROWID;

-- Octets. segment 0: a file of its own; otherwise a frame at that place of that segment.
CREATE TABLE content (
  id BLOB PRIMARY KEY, size INTEGER NOT NULL, sha256 BLOB NOT NULL,
  segment INTEGER NOT NULL, place INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX content_file ON content(id) WHERE segment = 0;

-- A message: a recipe over contents. provider and pec_id name the certified message that it is or is about.
CREATE TABLE message (
  id BLOB PRIMARY KEY, kind TEXT NOT NULL, provider TEXT NOT NULL, pec_id TEXT NOT NULL, message_id TEXT NOT NULL,
  unit TEXT NOT NULL, certificate BLOB, signed_sha256 BLOB,
  recipe BLOB NOT NULL REFERENCES content(id), size INTEGER NOT NULL, structure BLOB NOT NULL, trace TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX message_named ON message(message_id) WHERE unit <> '';

CREATE TABLE reference (
  message BLOB NOT NULL REFERENCES message(id), content BLOB NOT NULL REFERENCES content(id),
  PRIMARY KEY (message, content)
) WITHOUT ROWID;

-- A certified message that we sent or took in charge: what is needed to issue about it later. A peer may send other octets
-- under one id to other recipients: each is an envelope.
CREATE TABLE envelope (
  message BLOB PRIMARY KEY REFERENCES message(id), provider TEXT NOT NULL, pec_id TEXT NOT NULL, signed_sha256 BLOB NOT NULL,
  certdata BLOB NOT NULL, header BLOB NOT NULL,
  body BLOB NOT NULL REFERENCES content(id), body_offset INTEGER NOT NULL, body_size INTEGER NOT NULL,
  eight_bit INTEGER NOT NULL, sender TEXT NOT NULL, mailbox BLOB, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX envelope_about ON envelope(pec_id, provider, signed_sha256);
CREATE UNIQUE INDEX envelope_sent ON envelope(provider, pec_id) WHERE mailbox IS NOT NULL;

-- The idempotency of submission (design.md 3), kept for five days.
CREATE TABLE submission (
  mailbox BLOB NOT NULL, client_id TEXT NOT NULL, sha256 BLOB NOT NULL, recipients BLOB NOT NULL,
  pec_id TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (mailbox, client_id, sha256, recipients)
) WITHOUT ROWID;
CREATE INDEX submission_at ON submission(at);

-- The outcome per certified recipient of what we sent: at most one, the first valid one.
CREATE TABLE tracking (
  provider TEXT NOT NULL, pec_id TEXT NOT NULL, recipient TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
  at INTEGER NOT NULL, taken_at INTEGER, outcome_at INTEGER, first_notice_at INTEGER, final_notice_at INTEGER, fact BLOB NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient)
) WITHOUT ROWID;
CREATE INDEX tracking_pending ON tracking(at) WHERE state = 'pending';

-- What we issued: unique by message, recipient and step. An acceptance has no recipient; a taking in charge has a row
-- for each recipient that its ricezione names, so that none is named twice.
CREATE TABLE issued (
  provider TEXT NOT NULL, pec_id TEXT NOT NULL, recipient TEXT NOT NULL,
  step TEXT NOT NULL CHECK (step IN ('accept', 'take', 'outcome', 'overdue-12', 'overdue-24')),
  kind TEXT NOT NULL, message BLOB REFERENCES message(id), fact BLOB NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient, step)
) WITHOUT ROWID;

-- What we heard from others about our messages.
CREATE TABLE heard (
  issuer TEXT NOT NULL, provider TEXT NOT NULL, pec_id TEXT NOT NULL, recipient TEXT NOT NULL, kind TEXT NOT NULL,
  message BLOB REFERENCES message(id), digest BLOB NOT NULL, fact BLOB NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient, kind, issuer)
) WITHOUT ROWID;

-- What arrived and was taken in charge, per recipient of ours.
CREATE TABLE arrival (
  provider TEXT NOT NULL, pec_id TEXT NOT NULL, recipient TEXT NOT NULL, digest BLOB NOT NULL, fact BLOB NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient)
) WITHOUT ROWID;

-- Work that follows from a fact, written with it. turn is the holder on whose account it is; token is the claim's; finishing
-- deletes the row.
CREATE TABLE task (
  id BLOB PRIMARY KEY, kind TEXT NOT NULL, due INTEGER NOT NULL, since INTEGER NOT NULL, attempts INTEGER NOT NULL,
  message BLOB NOT NULL REFERENCES message(id), provider TEXT NOT NULL, pec_id TEXT NOT NULL,
  sender TEXT NOT NULL, target TEXT NOT NULL, turn TEXT NOT NULL, token TEXT NOT NULL, fact BLOB NOT NULL, trouble TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX task_due ON task(kind, due);

-- The relay's state per recipient of a relay or receive task; it outlives the task.
CREATE TABLE relay (
  message BLOB NOT NULL REFERENCES message(id), recipient TEXT NOT NULL, address TEXT NOT NULL, task BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed', 'cancelled')),
  reply TEXT NOT NULL, at INTEGER NOT NULL, fact BLOB NOT NULL,
  PRIMARY KEY (message, recipient)
) WITHOUT ROWID;

CREATE TABLE mailbox (
  id BLOB PRIMARY KEY, address TEXT NOT NULL, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL CHECK (kind IN ('holder', 'service')),
  state TEXT NOT NULL CHECK (state IN ('enabled', 'disabled')), at INTEGER NOT NULL, used INTEGER NOT NULL, quota INTEGER NOT NULL,
  uidvalidity INTEGER NOT NULL, fact BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE credential (
  id BLOB PRIMARY KEY, mailbox BLOB NOT NULL REFERENCES mailbox(id), kind TEXT NOT NULL, verifier TEXT NOT NULL,
  scope TEXT NOT NULL, expires INTEGER, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX credential_mailbox ON credential(mailbox);

-- UIDNEXT and MODSEQ are taken by UPDATE and used by INSERT ... SELECT in the same batch.
CREATE TABLE folder (
  id BLOB PRIMARY KEY, mailbox BLOB NOT NULL REFERENCES mailbox(id), name TEXT NOT NULL, special TEXT NOT NULL,
  uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, modseq INTEGER NOT NULL, expunges INTEGER NOT NULL,
  subscribed INTEGER NOT NULL, fact BLOB NOT NULL,
  UNIQUE (mailbox, name)
) WITHOUT ROWID;

-- A message in a folder. lead is what delivery put before the shared octets for this entry alone.
CREATE TABLE entry (
  folder BLOB NOT NULL REFERENCES folder(id), uid INTEGER NOT NULL, message BLOB NOT NULL REFERENCES message(id),
  lead BLOB NOT NULL, flags TEXT NOT NULL, modseq INTEGER NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL, fact BLOB NOT NULL,
  PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE INDEX entry_change ON entry(folder, modseq);

-- Who was given which certified message: outlives the entry, which its reader may expunge.
CREATE TABLE deposit (
  provider TEXT NOT NULL, pec_id TEXT NOT NULL, recipient TEXT NOT NULL, at INTEGER NOT NULL, fact BLOB NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient)
) WITHOUT ROWID;

-- What was accepted at SMTP but neither delivered nor answered: for the operators.
CREATE TABLE held (
  id BLOB PRIMARY KEY, at INTEGER NOT NULL, reason TEXT NOT NULL, sender TEXT NOT NULL, recipients TEXT NOT NULL,
  peer TEXT NOT NULL, message BLOB NOT NULL REFERENCES message(id)
) WITHOUT ROWID;
CREATE INDEX held_at ON held(at);
