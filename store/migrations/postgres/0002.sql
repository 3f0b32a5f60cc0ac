-- Schema 2. How often a mailbox's credentials were changed: who remembers a log-in compares.
ALTER TABLE mailbox ADD COLUMN credentials BIGINT NOT NULL DEFAULT 0;
