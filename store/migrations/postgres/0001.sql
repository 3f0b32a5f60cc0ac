-- Schema 1: the tables of the embedded engine, and at the end this engine's own. Instants are microseconds since 1970 UTC of the
-- law's clock; ids are 16 octets; keys of addresses and of directory entries are lower case. Text is ordered by its octets, as there. A
-- column named fact is the guard's stamp: the fact that changed the row last.

-- A row here makes its batch fail: INSERT INTO guard SELECT 1 WHERE NOT EXISTS (what must hold).
CREATE TABLE guard (no BIGINT NOT NULL CHECK (no = 0));

CREATE TABLE meta (name TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL);

-- One row a fact: the record's octets as they were written once, and the salt of its leaf (design.md 6). A fact gets its number
-- after its commit.
CREATE TABLE fact (
  id BYTEA PRIMARY KEY, no BIGINT UNIQUE, at BIGINT NOT NULL,
  salt BYTEA NOT NULL, record BYTEA NOT NULL
);
CREATE INDEX fact_new ON fact(at, id) WHERE no IS NULL;

-- Index over the records: what happened to which message and recipient.
CREATE TABLE event (
  provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL, recipient TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL,
  fact BYTEA NOT NULL REFERENCES fact(id), n BIGINT NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient, kind, fact, n)
);

-- Octets: here if they are short, otherwise in chunks of 65536, but for the last. They come compressed, encoded or random: trying again costs only time.
CREATE TABLE content (id BYTEA PRIMARY KEY, size BIGINT NOT NULL, sha256 BYTEA NOT NULL, octets BYTEA);
ALTER TABLE content ALTER COLUMN octets SET STORAGE EXTERNAL;
CREATE TABLE chunk (
  content BYTEA NOT NULL, part BIGINT NOT NULL, octets BYTEA NOT NULL,
  PRIMARY KEY (content, part)
);
ALTER TABLE chunk ALTER COLUMN octets SET STORAGE EXTERNAL;

-- A message: a recipe over contents. provider and pec_id name the certified message that it is or is about.
CREATE TABLE message (
  id BYTEA PRIMARY KEY, kind TEXT COLLATE "C" NOT NULL, provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL, message_id TEXT COLLATE "C" NOT NULL,
  unit TEXT COLLATE "C" NOT NULL, certificate BYTEA, signed_sha256 BYTEA,
  recipe BYTEA NOT NULL REFERENCES content(id), size BIGINT NOT NULL, structure BYTEA NOT NULL, trace TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL
);
CREATE INDEX message_named ON message(message_id) WHERE unit <> '';

CREATE TABLE reference (
  message BYTEA NOT NULL REFERENCES message(id), content BYTEA NOT NULL REFERENCES content(id),
  PRIMARY KEY (message, content)
);

-- A certified message that we sent or took in charge: what is needed to issue about it later. A peer may send other octets
-- under one id to other recipients: each is an envelope.
CREATE TABLE envelope (
  message BYTEA PRIMARY KEY REFERENCES message(id), provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL, signed_sha256 BYTEA NOT NULL,
  certdata BYTEA NOT NULL, header BYTEA NOT NULL,
  body BYTEA NOT NULL REFERENCES content(id), body_offset BIGINT NOT NULL, body_size BIGINT NOT NULL,
  eight_bit BIGINT NOT NULL, sender TEXT COLLATE "C" NOT NULL, mailbox BYTEA, at BIGINT NOT NULL
);
CREATE UNIQUE INDEX envelope_about ON envelope(pec_id, provider, signed_sha256);
CREATE UNIQUE INDEX envelope_sent ON envelope(provider, pec_id) WHERE mailbox IS NOT NULL;

-- The idempotency of submission (design.md 3), kept for five days.
CREATE TABLE submission (
  mailbox BYTEA NOT NULL, client_id TEXT COLLATE "C" NOT NULL, sha256 BYTEA NOT NULL, recipients BYTEA NOT NULL,
  pec_id TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (mailbox, client_id, sha256, recipients)
);
CREATE INDEX submission_at ON submission(at);

-- The outcome per certified recipient of what we sent: at most one, the first valid one.
CREATE TABLE tracking (
  provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL, recipient TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
  at BIGINT NOT NULL, taken_at BIGINT, outcome_at BIGINT, first_notice_at BIGINT, final_notice_at BIGINT, fact BYTEA NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient)
) WITH (fillfactor = 70);
CREATE INDEX tracking_pending ON tracking(at) WHERE state = 'pending';

-- What we issued: unique by message, recipient and step. An acceptance has no recipient; a taking in charge has a row
-- for each recipient that its ricezione names, so that none is named twice.
CREATE TABLE issued (
  provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL, recipient TEXT COLLATE "C" NOT NULL,
  step TEXT COLLATE "C" NOT NULL CHECK (step IN ('accept', 'take', 'outcome', 'overdue-12', 'overdue-24')),
  kind TEXT COLLATE "C" NOT NULL, message BYTEA REFERENCES message(id), fact BYTEA NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient, step)
);

-- What we heard from others about our messages.
CREATE TABLE heard (
  issuer TEXT COLLATE "C" NOT NULL, provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL, recipient TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL,
  message BYTEA REFERENCES message(id), digest BYTEA NOT NULL, fact BYTEA NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient, kind, issuer)
);

-- What arrived and was taken in charge, per recipient of ours.
CREATE TABLE arrival (
  provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL, recipient TEXT COLLATE "C" NOT NULL, digest BYTEA NOT NULL, fact BYTEA NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient)
);

-- Work that follows from a fact, written with it. turn is the holder on whose account it is; token is the claim's; finishing
-- deletes the row.
CREATE TABLE task (
  id BYTEA PRIMARY KEY, kind TEXT COLLATE "C" NOT NULL, due BIGINT NOT NULL, since BIGINT NOT NULL, attempts BIGINT NOT NULL,
  message BYTEA NOT NULL REFERENCES message(id), provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL,
  sender TEXT COLLATE "C" NOT NULL, target TEXT COLLATE "C" NOT NULL, turn TEXT COLLATE "C" NOT NULL, token TEXT COLLATE "C" NOT NULL, fact BYTEA NOT NULL, trouble TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX task_due ON task(kind, due);

-- The relay's state per recipient of a relay or receive task; it outlives the task.
CREATE TABLE relay (
  message BYTEA NOT NULL REFERENCES message(id), recipient TEXT COLLATE "C" NOT NULL, address TEXT COLLATE "C" NOT NULL, task BYTEA NOT NULL,
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'done', 'failed', 'cancelled')),
  reply TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, fact BYTEA NOT NULL,
  PRIMARY KEY (message, recipient)
) WITH (fillfactor = 70);

CREATE TABLE mailbox (
  id BYTEA PRIMARY KEY, address TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL UNIQUE, kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('holder', 'service')),
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('enabled', 'disabled')), at BIGINT NOT NULL, used BIGINT NOT NULL, quota BIGINT NOT NULL,
  uidvalidity BIGINT NOT NULL, fact BYTEA NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE credential (
  id BYTEA PRIMARY KEY, mailbox BYTEA NOT NULL REFERENCES mailbox(id), kind TEXT COLLATE "C" NOT NULL, verifier TEXT COLLATE "C" NOT NULL,
  scope TEXT COLLATE "C" NOT NULL, expires BIGINT, at BIGINT NOT NULL
);
CREATE INDEX credential_mailbox ON credential(mailbox);

-- UIDNEXT and MODSEQ are taken by UPDATE and used by INSERT ... SELECT in the same batch.
CREATE TABLE folder (
  id BYTEA PRIMARY KEY, mailbox BYTEA NOT NULL REFERENCES mailbox(id), name TEXT COLLATE "C" NOT NULL, special TEXT COLLATE "C" NOT NULL,
  uidvalidity BIGINT NOT NULL, uidnext BIGINT NOT NULL, modseq BIGINT NOT NULL, expunges BIGINT NOT NULL,
  subscribed BIGINT NOT NULL, fact BYTEA NOT NULL,
  UNIQUE (mailbox, name)
) WITH (fillfactor = 70);

-- A message in a folder. lead is what delivery put before the shared octets for this entry alone.
CREATE TABLE entry (
  folder BYTEA NOT NULL REFERENCES folder(id), uid BIGINT NOT NULL, message BYTEA NOT NULL REFERENCES message(id),
  lead BYTEA NOT NULL, flags TEXT COLLATE "C" NOT NULL, modseq BIGINT NOT NULL, at BIGINT NOT NULL, size BIGINT NOT NULL, fact BYTEA NOT NULL,
  PRIMARY KEY (folder, uid)
);
CREATE INDEX entry_change ON entry(folder, modseq);

-- Who was given which certified message: outlives the entry, which its reader may expunge.
CREATE TABLE deposit (
  provider TEXT COLLATE "C" NOT NULL, pec_id TEXT COLLATE "C" NOT NULL, recipient TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, fact BYTEA NOT NULL,
  PRIMARY KEY (provider, pec_id, recipient)
);

-- What was accepted at SMTP but neither delivered nor answered: for the operators.
CREATE TABLE held (
  id BYTEA PRIMARY KEY, at BIGINT NOT NULL, reason TEXT COLLATE "C" NOT NULL, sender TEXT COLLATE "C" NOT NULL, recipients TEXT COLLATE "C" NOT NULL,
  peer TEXT COLLATE "C" NOT NULL, message BYTEA NOT NULL REFERENCES message(id)
);
CREATE INDEX held_at ON held(at);

-- What follows is this engine's own.

-- Each batch puts its id here first, so that one which is run again because nobody knew its outcome is not done twice. One that
-- was refused then is buried: no earlier run of it that still hangs somewhere can be done later. Kept for a day, by the
-- database's clock.
CREATE TABLE once (
  id BYTEA PRIMARY KEY, buried BOOLEAN NOT NULL DEFAULT false, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX once_at ON once(at);

-- Chunks that no fact names yet. Kept for a day.
CREATE TABLE upload (content BYTEA PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp());

-- The processes and their leases, by the database's clock. A task whose token is of no process with a lease may be taken.
CREATE TABLE node (token TEXT COLLATE "C" PRIMARY KEY, until TIMESTAMPTZ NOT NULL, program TEXT COLLATE "C" NOT NULL) WITH (fillfactor = 70);

-- The last number of a fact. Who holds this row gives numbers.
CREATE TABLE sequence (one BIGINT PRIMARY KEY CHECK (one = 1), no BIGINT NOT NULL);
INSERT INTO sequence VALUES (1, 0);
