SET standard_conforming_strings = on;
CREATE SCHEMA fixture_of_ceralacca;
CREATE TABLE fixture_of_ceralacca.anomaly (
    sha256 bytea NOT NULL,
    recipient text NOT NULL COLLATE pg_catalog."C",
    message bytea NOT NULL,
    at bigint NOT NULL,
    fact bytea NOT NULL
);
CREATE TABLE fixture_of_ceralacca.arrival (
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL,
    fact bytea NOT NULL
);
CREATE TABLE fixture_of_ceralacca.chunk (
    content bytea NOT NULL,
    part bigint NOT NULL,
    octets bytea NOT NULL
);
ALTER TABLE ONLY fixture_of_ceralacca.chunk ALTER COLUMN octets SET STORAGE EXTERNAL;
CREATE TABLE fixture_of_ceralacca.content (
    id bytea NOT NULL,
    size bigint NOT NULL,
    sha256 bytea NOT NULL,
    octets bytea
);
ALTER TABLE ONLY fixture_of_ceralacca.content ALTER COLUMN octets SET STORAGE EXTERNAL;
CREATE TABLE fixture_of_ceralacca.credential (
    id bytea NOT NULL,
    mailbox bytea NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    verifier text NOT NULL COLLATE pg_catalog."C",
    scope text NOT NULL COLLATE pg_catalog."C",
    expires bigint,
    at bigint NOT NULL
);
CREATE TABLE fixture_of_ceralacca.deposit (
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    fact bytea NOT NULL
);
CREATE TABLE fixture_of_ceralacca.entry (
    folder bytea NOT NULL,
    uid bigint NOT NULL,
    message bytea NOT NULL,
    lead bytea NOT NULL,
    flags text NOT NULL COLLATE pg_catalog."C",
    modseq bigint NOT NULL,
    at bigint NOT NULL,
    size bigint NOT NULL,
    fact bytea NOT NULL
);
CREATE TABLE fixture_of_ceralacca.envelope (
    message bytea NOT NULL,
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    signed_sha256 bytea NOT NULL,
    certdata bytea NOT NULL,
    header bytea NOT NULL,
    body bytea NOT NULL,
    body_offset bigint NOT NULL,
    body_size bigint NOT NULL,
    eight_bit bigint NOT NULL,
    sender text NOT NULL COLLATE pg_catalog."C",
    mailbox bytea,
    at bigint NOT NULL
);
CREATE TABLE fixture_of_ceralacca.event (
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    fact bytea NOT NULL,
    n bigint NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE fixture_of_ceralacca.fact (
    id bytea NOT NULL,
    no bigint,
    at bigint NOT NULL,
    salt bytea NOT NULL,
    record bytea NOT NULL
);
CREATE TABLE fixture_of_ceralacca.folder (
    id bytea NOT NULL,
    mailbox bytea NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    special text NOT NULL COLLATE pg_catalog."C",
    uidvalidity bigint NOT NULL,
    uidnext bigint NOT NULL,
    modseq bigint NOT NULL,
    expunges bigint NOT NULL,
    subscribed bigint NOT NULL,
    fact bytea NOT NULL
)
WITH (fillfactor='70');
CREATE TABLE fixture_of_ceralacca.guard (
    no bigint NOT NULL,
    CONSTRAINT guard_no_check CHECK ((no = 0))
);
CREATE TABLE fixture_of_ceralacca.heard (
    issuer text NOT NULL COLLATE pg_catalog."C",
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    message bytea,
    digest bytea NOT NULL,
    fact bytea NOT NULL
);
CREATE TABLE fixture_of_ceralacca.held (
    id bytea NOT NULL,
    at bigint NOT NULL,
    reason text NOT NULL COLLATE pg_catalog."C",
    sender text NOT NULL COLLATE pg_catalog."C",
    recipients text NOT NULL COLLATE pg_catalog."C",
    peer text NOT NULL COLLATE pg_catalog."C",
    message bytea NOT NULL
);
CREATE TABLE fixture_of_ceralacca.issued (
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL COLLATE pg_catalog."C",
    step text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    message bytea,
    fact bytea NOT NULL,
    CONSTRAINT issued_step_check CHECK ((step = ANY (ARRAY['accept'::text, 'take'::text, 'outcome'::text, 'overdue-12'::text, 'overdue-24'::text])))
);
CREATE TABLE fixture_of_ceralacca.mailbox (
    id bytea NOT NULL,
    address text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    used bigint NOT NULL,
    quota bigint NOT NULL,
    uidvalidity bigint NOT NULL,
    fact bytea NOT NULL,
    credentials bigint DEFAULT 0 NOT NULL,
    suspended bigint DEFAULT 0 NOT NULL,
    ordinary text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT mailbox_kind_check CHECK ((kind = ANY (ARRAY['holder'::text, 'service'::text]))),
    CONSTRAINT mailbox_state_check CHECK ((state = ANY (ARRAY['enabled'::text, 'disabled'::text])))
)
WITH (fillfactor='70');
CREATE TABLE fixture_of_ceralacca.message (
    id bytea NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    unit text NOT NULL COLLATE pg_catalog."C",
    certificate bytea,
    signed_sha256 bytea,
    recipe bytea NOT NULL,
    size bigint NOT NULL,
    structure bytea NOT NULL,
    trace text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL
);
CREATE TABLE fixture_of_ceralacca.meta (
    name text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE fixture_of_ceralacca.node (
    token text NOT NULL COLLATE pg_catalog."C",
    until timestamp with time zone NOT NULL,
    program text NOT NULL COLLATE pg_catalog."C"
)
WITH (fillfactor='70');
CREATE TABLE fixture_of_ceralacca.once (
    id bytea NOT NULL,
    buried boolean DEFAULT false NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE fixture_of_ceralacca.reference (
    message bytea NOT NULL,
    content bytea NOT NULL
);
CREATE TABLE fixture_of_ceralacca.relay (
    message bytea NOT NULL,
    recipient text NOT NULL COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    task bytea NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    reply text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    fact bytea NOT NULL,
    CONSTRAINT relay_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
)
WITH (fillfactor='70');
CREATE TABLE fixture_of_ceralacca.sequence (
    one bigint NOT NULL,
    no bigint NOT NULL,
    CONSTRAINT sequence_one_check CHECK ((one = 1))
);
CREATE TABLE fixture_of_ceralacca.submission (
    mailbox bytea NOT NULL,
    client_id text NOT NULL COLLATE pg_catalog."C",
    sha256 bytea NOT NULL,
    recipients bytea NOT NULL,
    pec_id text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL
);
CREATE TABLE fixture_of_ceralacca.task (
    id bytea NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    due bigint NOT NULL,
    since bigint NOT NULL,
    attempts bigint NOT NULL,
    message bytea NOT NULL,
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    sender text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    turn text NOT NULL COLLATE pg_catalog."C",
    token text NOT NULL COLLATE pg_catalog."C",
    fact bytea NOT NULL,
    trouble text NOT NULL COLLATE pg_catalog."C"
)
WITH (fillfactor='70');
CREATE TABLE fixture_of_ceralacca.tracking (
    provider text NOT NULL COLLATE pg_catalog."C",
    pec_id text NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    taken_at bigint,
    outcome_at bigint,
    first_notice_at bigint,
    final_notice_at bigint,
    fact bytea NOT NULL,
    CONSTRAINT tracking_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text])))
)
WITH (fillfactor='70');
CREATE TABLE fixture_of_ceralacca.upload (
    content bytea NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefdf44040995537a080803dd', 57, '\x81e404cde25f8f88de48fbdfc6328114447bf38881e0e6e928c03425f86a0f97', '\x5375626a6563743a206d6573736167652030206f66206120666978747572650d0a0d0a6d6573736167652030206f6620612066697874757265');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefdf2f37c1dbd7edadb498cd', 20, '\x9b4c9057434bd27873ea2a60f430cadd4de4e37b4c8ca82f25ae469beedb7231', '\x010201a2054cefdf44040995537a080803dd0039');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefe43b142dacc2822bd57f10', 57, '\xa810ce222b9852589114602ce3165b61ff5b43ab3dccc635a7321ac230776e23', '\x5375626a6563743a206d6573736167652031206f66206120666978747572650d0a0d0a6d6573736167652031206f6620612066697874757265');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefe443ff5ed871c6575e93a1', 20, '\xc59250a9e4bd60e883bc8006bf0233bd0ba2e964579c7a623d3b7e613e278aa6', '\x010201a2054cefe43b142dacc2822bd57f100039');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefe551a48f89f2d01381f0b8', 57, '\x2191765cd79a2d15ecf654b2c2dbf6d879d615a1eff7a8ba34ab07d301c4e650', '\x5375626a6563743a206d6573736167652032206f66206120666978747572650d0a0d0a6d6573736167652032206f6620612066697874757265');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefe54f1cfa3e36fae8ef8cf4', 20, '\x46044f0f4f1d97258cb5f5c4bab20c73e91d71179a1093d6036e43b4f95c41f9', '\x010201a2054cefe551a48f89f2d01381f0b80039');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefe75644a677a17d4d198e30', 97, '\x15834e22f8e3674e68d5028306dbf3418a6629742754fb4e77b2a8ce68f67ff6', '\x46726f6d3a204d6172696f2e526f73736940616c66612e746573740d0a4d6573736167652d49443a203c303161323035346365666537643732656439353834343164643230376237356140686f73743e0d0a0d0a42756f6e67696f726e6f2e0d0a');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefe7be37eea8d3461c862483', 39, '\x0eee5715112e6c029cc6477c51c0689fd4f0f03c0e669bd2a52fc25332969ab0', '\x0101086265666f72650d0a0201a2054cefe75644a677a17d4d198e30540d010761667465720d0a');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a2054cefe7374bd4b00ad7fd602a3c', 73, '\x87ec593c8497caf8c4d90d22478a25d9d5079517754a8cf1823ec201786515ba', '\x0101467265636569707420616363657474617a696f6e65206f6620636c312e303161323035346365666537393862376539656236343534613263336138633740616c66612e74657374');
INSERT INTO fixture_of_ceralacca.credential VALUES ('\x01a2054cefdb04cf209088c35221d2b0', '\x01a2054cef9d3cc74e6d883b5ed378c4', 'password', '$argon2id$v=19$m=19456,t=2,p=1$Jm4BUXYj7srsxhP3RcAOWA$kUravj2W+tTki2EgaJiDjeBbm9cXdnlhLOJxApruTPo', '', NULL, 1789825279000000);
INSERT INTO fixture_of_ceralacca.entry VALUES ('\x01a2054cef9dd4ea47961bd6563d52a9', 1, '\x01a2054cefdf2758abcc101eae314d96', '\x', '', 2, 1789825279000000, 57, '\x01a2054cefdf8456299bc37b67b8d5a9');
INSERT INTO fixture_of_ceralacca.entry VALUES ('\x01a2054cef9dd4ea47961bd6563d52a9', 2, '\x01a2054cefe4e73058aa2bb3e014dd33', '\x', '', 3, 1789825279000000, 57, '\x01a2054cefe46db713bd4c9a4d7443a3');
INSERT INTO fixture_of_ceralacca.entry VALUES ('\x01a2054cef9dd4ea47961bd6563d52a9', 3, '\x01a2054cefe5bd45b6c83170ed21c36a', '\x', '', 4, 1789825279000000, 57, '\x01a2054cefe544c216f9259ba9dc3c9c');
INSERT INTO fixture_of_ceralacca.entry VALUES ('\x01a2054cef9dd4ea47961bd6563d52a9', 4, '\x01a2054cefe7e2172d2e54de54f238f8', '\x', '', 5, 1789825279000000, 70, '\x01a2054cefe795370d79ae0e7a0a1137');
INSERT INTO fixture_of_ceralacca.envelope VALUES ('\x01a2054cefe767a07d40f939661ac8f7', 'alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', '\xda914a0da84d65a04f44da58a7ee877be5303532e97451544a15c0ecef6261c3', '\x3c706f737461636572742f3e', '\x46726f6d3a204d6172696f2e526f73736940616c66612e746573740d0a4d6573736167652d49443a203c303161323035346365666537643732656439353834343164643230376237356140686f73743e0d0a0d0a', '\x01a2054cefe75644a677a17d4d198e30', 84, 13, 0, 'Mario.Rossi@alfa.test', '\x01a2054cef9d3cc74e6d883b5ed378c4', 1789825279000000);
INSERT INTO fixture_of_ceralacca.event VALUES ('alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', '', 'accepted', '\x01a2054cefe795370d79ae0e7a0a1137', 0, 1789825279000000);
INSERT INTO fixture_of_ceralacca.fact VALUES ('\x01a2054cefe795370d79ae0e7a0a1137', 1, 1789825279000000, '\xa458bdd22217d824852ebb91873ce7f8', '\x636572616c616363612d7265636f726420310a666163742030316132303534636566653739353337306437396165306537613061313133370a617420323032362d30392d31395431333a34313a31395a0a756e697420616c66610a6576656e742061636365707465640a696420636c312e303161323035346365666537393862376539656236343534613263336138633740616c66612e746573740a70726f766964657220616c66610a73656e646572204d6172696f2e526f73736940616c66612e746573740a726563697069656e7420636572746966696361746f2070726f746f636f6c6c6f40626574612e746573740a726563697069656e7420636572746966696361746f206c7569676940616c66612e746573740a7375626a656374205065726368c3a9206e6f5c7830645c7830616576656e743a20666f726765640a64657461696c2063697474c3a00a');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a2054cef9d2ed256c8b27471980dd6', '\x01a2054cef9d3cc74e6d883b5ed378c4', 'Bozze', '\Drafts', 1795385258, 1, 1, 0, 1, '\x01a2054cef9dfff9e0cc9a1be8593ae4');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a2054cef9d7a36931d394b9d819f54', '\x01a2054cef9d3cc74e6d883b5ed378c4', 'Inviata', '\Sent', 1795385259, 1, 1, 0, 1, '\x01a2054cef9dfff9e0cc9a1be8593ae4');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a2054cef9dc4ae59e5a2f0d80c40e0', '\x01a2054cef9d3cc74e6d883b5ed378c4', 'Cestino', '\Trash', 1795385260, 1, 1, 0, 1, '\x01a2054cef9dfff9e0cc9a1be8593ae4');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a2054cefaf725d75c81441f73da3f3', '\x01a2054cefaf929dad574b77501946ef', 'INBOX', '', 1795385257, 1, 1, 0, 1, '\x01a2054cefafe7f5baf4f6ce5e831aeb');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a2054cefafb8b3481b01ab8fd28384', '\x01a2054cefaf929dad574b77501946ef', 'Bozze', '\Drafts', 1795385258, 1, 1, 0, 1, '\x01a2054cefafe7f5baf4f6ce5e831aeb');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a2054cefafcb281e365b834da70285', '\x01a2054cefaf929dad574b77501946ef', 'Inviata', '\Sent', 1795385259, 1, 1, 0, 1, '\x01a2054cefafe7f5baf4f6ce5e831aeb');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a2054cefaf5e4e08bc008d8da2769b', '\x01a2054cefaf929dad574b77501946ef', 'Cestino', '\Trash', 1795385260, 1, 1, 0, 1, '\x01a2054cefafe7f5baf4f6ce5e831aeb');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a2054cef9dd4ea47961bd6563d52a9', '\x01a2054cef9d3cc74e6d883b5ed378c4', 'INBOX', '', 1795385257, 5, 5, 0, 1, '\x01a2054cefe795370d79ae0e7a0a1137');
INSERT INTO fixture_of_ceralacca.issued VALUES ('alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', '', 'accept', 'accettazione', '\x01a2054cefe7e2172d2e54de54f238f8', '\x01a2054cefe795370d79ae0e7a0a1137');
INSERT INTO fixture_of_ceralacca.mailbox VALUES ('\x01a2054cefaf929dad574b77501946ef', 'luigi@alfa.test', 'luigi@alfa.test', 'holder', 'enabled', 1789825279000000, 0, 0, 1795385261, '\x01a2054cefafe7f5baf4f6ce5e831aeb', 0, 0, '');
INSERT INTO fixture_of_ceralacca.mailbox VALUES ('\x01a2054cef9d3cc74e6d883b5ed378c4', 'Mario.Rossi@alfa.test', 'mario.rossi@alfa.test', 'holder', 'enabled', 1789825279000000, 241, 0, 1795385261, '\x01a2054cefe795370d79ae0e7a0a1137', 1, 0, '');
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a2054cefdf2758abcc101eae314d96', 'own', '', '', '', '', NULL, NULL, '\x01a2054cefdf2f37c1dbd7edadb498cd', 57, '\x0100391f00231600047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a2054cefe4e73058aa2bb3e014dd33', 'own', '', '', '', '', NULL, NULL, '\x01a2054cefe443ff5ed871c6575e93a1', 57, '\x0100391f00231600047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a2054cefe5bd45b6c83170ed21c36a', 'own', '', '', '', '', NULL, NULL, '\x01a2054cefe54f1cfa3e36fae8ef8cf4', 57, '\x0100391f00231600047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a2054cefe767a07d40f939661ac8f7', 'posta-certificata', 'alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'alfa', '\xda914a0da84d65a04f44da58a7ee877be5303532e97451544a15c0ecef6261c3', '\xda914a0da84d65a04f44da58a7ee877be5303532e97451544a15c0ecef6261c3', '\x01a2054cefe7be37eea8d3461c862483', 28, '\x01000b07000b0000047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a2054cefe7e2172d2e54de54f238f8', 'accettazione', 'alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'alfa', '\xda914a0da84d65a04f44da58a7ee877be5303532e97451544a15c0ecef6261c3', '\xda914a0da84d65a04f44da58a7ee877be5303532e97451544a15c0ecef6261c3', '\x01a2054cefe7374bd4b00ad7fd602a3c', 70, '\x01000b07000b0000047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.meta VALUES ('store', '01a2054cef7ba069dd2aeb97eb66991c');
INSERT INTO fixture_of_ceralacca.meta VALUES ('schema', '3');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a2054cef9dfff9e0cc9a1be8593ae4', false, '2026-11-22 22:07:37.901202+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a2054cefafe7f5baf4f6ce5e831aeb', false, '2026-11-22 22:07:37.905873+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a2054cefb704a75f44e1d347739224', false, '2026-11-22 22:07:37.94927+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a2054cefdf8456299bc37b67b8d5a9', false, '2026-11-22 22:07:37.952642+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a2054cefe46db713bd4c9a4d7443a3', false, '2026-11-22 22:07:37.956437+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a2054cefe544c216f9259ba9dc3c9c', false, '2026-11-22 22:07:37.958074+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a2054cefe795370d79ae0e7a0a1137', false, '2026-11-22 22:07:37.960628+00');
INSERT INTO fixture_of_ceralacca.reference VALUES ('\x01a2054cefdf2758abcc101eae314d96', '\x01a2054cefdf44040995537a080803dd');
INSERT INTO fixture_of_ceralacca.reference VALUES ('\x01a2054cefe4e73058aa2bb3e014dd33', '\x01a2054cefe43b142dacc2822bd57f10');
INSERT INTO fixture_of_ceralacca.reference VALUES ('\x01a2054cefe5bd45b6c83170ed21c36a', '\x01a2054cefe551a48f89f2d01381f0b8');
INSERT INTO fixture_of_ceralacca.reference VALUES ('\x01a2054cefe767a07d40f939661ac8f7', '\x01a2054cefe75644a677a17d4d198e30');
INSERT INTO fixture_of_ceralacca.relay VALUES ('\x01a2054cefe767a07d40f939661ac8f7', 'protocollo@beta.test', 'protocollo@beta.test', '\x01a2054cefe756a8b79c7f2310aca128', 'pending', '', 1789825279000000, '\x01a2054cefe795370d79ae0e7a0a1137');
INSERT INTO fixture_of_ceralacca.relay VALUES ('\x01a2054cefe767a07d40f939661ac8f7', 'luigi@alfa.test', 'luigi@alfa.test', '\x01a2054cefe7c6385a5587fca5b103aa', 'pending', '', 1789825279000000, '\x01a2054cefe795370d79ae0e7a0a1137');
INSERT INTO fixture_of_ceralacca.sequence VALUES (1, 1);
INSERT INTO fixture_of_ceralacca.submission VALUES ('\x01a2054cef9d3cc74e6d883b5ed378c4', '<01a2054cefe7d72ed958441dd207b75a@host>', '\x15834e22f8e3674e68d5028306dbf3418a6629742754fb4e77b2a8ce68f67ff6', '\x1bcec9c76c4e13be59559294909c50b7a80ba45457ea2536635db52aa0071f9b', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 1789825279000000);
INSERT INTO fixture_of_ceralacca.task VALUES ('\x01a2054cefe756a8b79c7f2310aca128', 'relay', 1789825279000000, 1789825279000000, 0, '\x01a2054cefe767a07d40f939661ac8f7', 'alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'Mario.Rossi@alfa.test', 'beta', 'mario.rossi@alfa.test', '', '\x01a2054cefe795370d79ae0e7a0a1137', '');
INSERT INTO fixture_of_ceralacca.task VALUES ('\x01a2054cefe7c6385a5587fca5b103aa', 'receive', 1789825279000000, 1789825279000000, 0, '\x01a2054cefe767a07d40f939661ac8f7', 'alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'Mario.Rossi@alfa.test', 'alfa', 'mario.rossi@alfa.test', '', '\x01a2054cefe795370d79ae0e7a0a1137', '');
INSERT INTO fixture_of_ceralacca.task VALUES ('\x01a2054cefe767a07d40f939661ac8f7', 'overdue', 1789868479000000, 1789825279000000, 0, '\x01a2054cefe767a07d40f939661ac8f7', 'alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'Mario.Rossi@alfa.test', '', 'mario.rossi@alfa.test', '', '\x01a2054cefe795370d79ae0e7a0a1137', '');
INSERT INTO fixture_of_ceralacca.tracking VALUES ('alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'protocollo@beta.test', 'pending', 1789825279000000, NULL, NULL, NULL, NULL, '\x01a2054cefe795370d79ae0e7a0a1137');
INSERT INTO fixture_of_ceralacca.tracking VALUES ('alfa', 'cl1.01a2054cefe798b7e9eb6454a2c3a8c7@alfa.test', 'luigi@alfa.test', 'pending', 1789825279000000, NULL, NULL, NULL, NULL, '\x01a2054cefe795370d79ae0e7a0a1137');
ALTER TABLE ONLY fixture_of_ceralacca.anomaly
    ADD CONSTRAINT anomaly_pkey PRIMARY KEY (sha256, recipient);
ALTER TABLE ONLY fixture_of_ceralacca.arrival
    ADD CONSTRAINT arrival_pkey PRIMARY KEY (provider, pec_id, recipient);
ALTER TABLE ONLY fixture_of_ceralacca.chunk
    ADD CONSTRAINT chunk_pkey PRIMARY KEY (content, part);
ALTER TABLE ONLY fixture_of_ceralacca.content
    ADD CONSTRAINT content_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.deposit
    ADD CONSTRAINT deposit_pkey PRIMARY KEY (provider, pec_id, recipient);
ALTER TABLE ONLY fixture_of_ceralacca.entry
    ADD CONSTRAINT entry_pkey PRIMARY KEY (folder, uid);
ALTER TABLE ONLY fixture_of_ceralacca.envelope
    ADD CONSTRAINT envelope_pkey PRIMARY KEY (message);
ALTER TABLE ONLY fixture_of_ceralacca.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (provider, pec_id, recipient, kind, fact, n);
ALTER TABLE ONLY fixture_of_ceralacca.fact
    ADD CONSTRAINT fact_no_key UNIQUE (no);
ALTER TABLE ONLY fixture_of_ceralacca.fact
    ADD CONSTRAINT fact_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.folder
    ADD CONSTRAINT folder_mailbox_name_key UNIQUE (mailbox, name);
ALTER TABLE ONLY fixture_of_ceralacca.folder
    ADD CONSTRAINT folder_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.heard
    ADD CONSTRAINT heard_pkey PRIMARY KEY (provider, pec_id, recipient, kind, issuer);
ALTER TABLE ONLY fixture_of_ceralacca.held
    ADD CONSTRAINT held_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.issued
    ADD CONSTRAINT issued_pkey PRIMARY KEY (provider, pec_id, recipient, step);
ALTER TABLE ONLY fixture_of_ceralacca.mailbox
    ADD CONSTRAINT mailbox_key_key UNIQUE (key);
ALTER TABLE ONLY fixture_of_ceralacca.mailbox
    ADD CONSTRAINT mailbox_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (name);
ALTER TABLE ONLY fixture_of_ceralacca.node
    ADD CONSTRAINT node_pkey PRIMARY KEY (token);
ALTER TABLE ONLY fixture_of_ceralacca.once
    ADD CONSTRAINT once_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.reference
    ADD CONSTRAINT reference_pkey PRIMARY KEY (message, content);
ALTER TABLE ONLY fixture_of_ceralacca.relay
    ADD CONSTRAINT relay_pkey PRIMARY KEY (message, recipient);
ALTER TABLE ONLY fixture_of_ceralacca.sequence
    ADD CONSTRAINT sequence_pkey PRIMARY KEY (one);
ALTER TABLE ONLY fixture_of_ceralacca.submission
    ADD CONSTRAINT submission_pkey PRIMARY KEY (mailbox, client_id, sha256, recipients);
ALTER TABLE ONLY fixture_of_ceralacca.task
    ADD CONSTRAINT task_pkey PRIMARY KEY (id);
ALTER TABLE ONLY fixture_of_ceralacca.tracking
    ADD CONSTRAINT tracking_pkey PRIMARY KEY (provider, pec_id, recipient);
ALTER TABLE ONLY fixture_of_ceralacca.upload
    ADD CONSTRAINT upload_pkey PRIMARY KEY (content);
CREATE INDEX anomaly_at ON fixture_of_ceralacca.anomaly USING btree (at);
CREATE INDEX credential_mailbox ON fixture_of_ceralacca.credential USING btree (mailbox);
CREATE INDEX entry_change ON fixture_of_ceralacca.entry USING btree (folder, modseq);
CREATE UNIQUE INDEX envelope_about ON fixture_of_ceralacca.envelope USING btree (pec_id, provider, signed_sha256);
CREATE UNIQUE INDEX envelope_sent ON fixture_of_ceralacca.envelope USING btree (provider, pec_id) WHERE (mailbox IS NOT NULL);
CREATE INDEX fact_new ON fixture_of_ceralacca.fact USING btree (at, id) WHERE (no IS NULL);
CREATE INDEX held_at ON fixture_of_ceralacca.held USING btree (at);
CREATE INDEX message_named ON fixture_of_ceralacca.message USING btree (message_id) WHERE (unit <> ''::text);
CREATE INDEX once_at ON fixture_of_ceralacca.once USING btree (at);
CREATE INDEX submission_at ON fixture_of_ceralacca.submission USING btree (at);
CREATE INDEX task_due ON fixture_of_ceralacca.task USING btree (kind, due);
CREATE INDEX tracking_pending ON fixture_of_ceralacca.tracking USING btree (at) WHERE (state = 'pending'::text);
ALTER TABLE ONLY fixture_of_ceralacca.anomaly
    ADD CONSTRAINT anomaly_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
ALTER TABLE ONLY fixture_of_ceralacca.credential
    ADD CONSTRAINT credential_mailbox_fkey FOREIGN KEY (mailbox) REFERENCES fixture_of_ceralacca.mailbox(id);
ALTER TABLE ONLY fixture_of_ceralacca.entry
    ADD CONSTRAINT entry_folder_fkey FOREIGN KEY (folder) REFERENCES fixture_of_ceralacca.folder(id);
ALTER TABLE ONLY fixture_of_ceralacca.entry
    ADD CONSTRAINT entry_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
ALTER TABLE ONLY fixture_of_ceralacca.envelope
    ADD CONSTRAINT envelope_body_fkey FOREIGN KEY (body) REFERENCES fixture_of_ceralacca.content(id);
ALTER TABLE ONLY fixture_of_ceralacca.envelope
    ADD CONSTRAINT envelope_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
ALTER TABLE ONLY fixture_of_ceralacca.event
    ADD CONSTRAINT event_fact_fkey FOREIGN KEY (fact) REFERENCES fixture_of_ceralacca.fact(id);
ALTER TABLE ONLY fixture_of_ceralacca.folder
    ADD CONSTRAINT folder_mailbox_fkey FOREIGN KEY (mailbox) REFERENCES fixture_of_ceralacca.mailbox(id);
ALTER TABLE ONLY fixture_of_ceralacca.heard
    ADD CONSTRAINT heard_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
ALTER TABLE ONLY fixture_of_ceralacca.held
    ADD CONSTRAINT held_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
ALTER TABLE ONLY fixture_of_ceralacca.issued
    ADD CONSTRAINT issued_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
ALTER TABLE ONLY fixture_of_ceralacca.message
    ADD CONSTRAINT message_recipe_fkey FOREIGN KEY (recipe) REFERENCES fixture_of_ceralacca.content(id);
ALTER TABLE ONLY fixture_of_ceralacca.reference
    ADD CONSTRAINT reference_content_fkey FOREIGN KEY (content) REFERENCES fixture_of_ceralacca.content(id);
ALTER TABLE ONLY fixture_of_ceralacca.reference
    ADD CONSTRAINT reference_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
ALTER TABLE ONLY fixture_of_ceralacca.relay
    ADD CONSTRAINT relay_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
ALTER TABLE ONLY fixture_of_ceralacca.task
    ADD CONSTRAINT task_message_fkey FOREIGN KEY (message) REFERENCES fixture_of_ceralacca.message(id);
