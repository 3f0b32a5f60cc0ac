-- Schema 3. A mailbox may be suspended, and say what becomes of ordinary mail ('' leaves it to the domain); what was enclosed in an
-- anomaly envelope is recognised when it comes again.
ALTER TABLE mailbox ADD COLUMN suspended BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailbox ADD COLUMN ordinary TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE anomaly (
  sha256 BYTEA NOT NULL, recipient TEXT COLLATE "C" NOT NULL, message BYTEA NOT NULL REFERENCES message(id), at BIGINT NOT NULL, fact BYTEA NOT NULL,
  PRIMARY KEY (sha256, recipient)
);
CREATE INDEX anomaly_at ON anomaly(at);
