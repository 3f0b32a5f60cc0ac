-- Schema 3. A mailbox may be suspended, and say what becomes of ordinary mail ('' leaves it to the domain); what was enclosed in an
-- anomaly envelope is recognised when it comes again.
ALTER TABLE mailbox ADD COLUMN suspended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE mailbox ADD COLUMN ordinary TEXT NOT NULL DEFAULT '';

CREATE TABLE anomaly (
  sha256 BLOB NOT NULL, recipient TEXT NOT NULL, message BLOB NOT NULL REFERENCES message(id), at INTEGER NOT NULL, fact BLOB NOT NULL,
  PRIMARY KEY (sha256, recipient)
) WITHOUT ROWID;
CREATE INDEX anomaly_at ON anomaly(at);
