-- Schema 3. A mailbox may be suspended, and say what becomes of ordinary mail ('' leaves it to the domain); what was enclosed in an
-- anomaly envelope is recognised when it comes again.
ALTER TABLE mailbox ADD COLUMN suspended BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailbox ADD COLUMN ordinary TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE anomaly (
  sha256 BYTEA NOT NULL, recipient TEXT COLLATE "C" NOT NULL, message BYTEA NOT NULL REFERENCES message(id), at BIGINT NOT NULL, fact BYTEA NOT NULL,
  PRIMARY KEY (sha256, recipient)
);
CREATE INDEX anomaly_at ON anomaly(at);

-- Somebody looks after the silence of the recipients who are pending: their messages were accepted before there were overdue notices.
INSERT INTO task (id, kind, due, since, attempts, message, provider, pec_id, sender, target, turn, token, fact, trouble)
SELECT e.message, 'overdue', e.at + 43200000000, e.at, 0, e.message, e.provider, e.pec_id, e.sender, '', lower(e.sender), '', (array_agg(t.fact))[1], ''
FROM envelope e JOIN tracking t ON t.provider = e.provider AND t.pec_id = e.pec_id
WHERE e.mailbox IS NOT NULL AND t.state = 'pending'
GROUP BY e.message, e.at, e.provider, e.pec_id, e.sender;
