SET standard_conforming_strings = on;
CREATE SCHEMA fixture_of_ceralacca;
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
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c6c4591dc934fea463787804', 57, '\x81e404cde25f8f88de48fbdfc6328114447bf38881e0e6e928c03425f86a0f97', '\x5375626a6563743a206d6573736167652030206f66206120666978747572650d0a0d0a6d6573736167652030206f6620612066697874757265');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c6c41191409bd5ccbee4f439', 20, '\x512a294ff38f4dd02c150bd0b0dcb2d69aada85e3af8969cd6842260db0df311', '\x010201a204c2c6c4591dc934fea4637878040039');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c6fae41b14877cefd47c297a', 57, '\xa810ce222b9852589114602ce3165b61ff5b43ab3dccc635a7321ac230776e23', '\x5375626a6563743a206d6573736167652031206f66206120666978747572650d0a0d0a6d6573736167652031206f6620612066697874757265');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c6fa592d1ac0029250092061', 20, '\x28f5110fc5e72867e872f089ccb14770479f124538e4ad94135ac8e60761a4cf', '\x010201a204c2c6fae41b14877cefd47c297a0039');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c715cb97c806b2ab09032f85', 57, '\x2191765cd79a2d15ecf654b2c2dbf6d879d615a1eff7a8ba34ab07d301c4e650', '\x5375626a6563743a206d6573736167652032206f66206120666978747572650d0a0d0a6d6573736167652032206f6620612066697874757265');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c7152dea3793289f623a8202', 20, '\xb0b9bf3fc4a31d286b588ce2d7e49a28473bd651b690cf852d2c8e96c0085338', '\x010201a204c2c715cb97c806b2ab09032f850039');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c71977630e81b2a20b399712', 97, '\x084e6689bf5e6e5fa5dc436711f60c83875e26c1aff17589414245ec9a67c3fb', '\x46726f6d3a204d6172696f2e526f73736940616c66612e746573740d0a4d6573736167652d49443a203c303161323034633263373139383966303533333464303463306663636234386240686f73743e0d0a0d0a42756f6e67696f726e6f2e0d0a');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c719d7ed97b645da628e990c', 39, '\x1e108695816b286875af200519ea782fb0efb060b17aa9d3ebdbcb0cee6a3190', '\x0101086265666f72650d0a0201a204c2c71977630e81b2a20b399712540d010761667465720d0a');
INSERT INTO fixture_of_ceralacca.content VALUES ('\x01a204c2c719294f5412f2d3ce5921c1', 73, '\x820488f22c8b79b743fad4eb5330910f1dc822644e4b73d185207c09a6359836', '\x0101467265636569707420616363657474617a696f6e65206f6620636c312e303161323034633263373139373834633330363135303730343263396363616540616c66612e74657374');
INSERT INTO fixture_of_ceralacca.credential VALUES ('\x01a204c2c6b4c8dda2475ee1b78ddf49', '\x01a204c2c60964408e86b83ae8806077', 'password', '$argon2id$v=19$m=19456,t=2,p=1$2woUF5T5ihnqxZTUf4CHQw$8bPGf/+6DqjDhD9NWorJUQDogdTqiPvDScI2S+v/RWs', '', NULL, 1789825279000000);
INSERT INTO fixture_of_ceralacca.entry VALUES ('\x01a204c2c609ab228f938b59159bc671', 1, '\x01a204c2c6c4e6f088bc0a59ea09417b', '\x', '', 2, 1789825279000000, 57, '\x01a204c2c6c4aaa0712eac1b1822403f');
INSERT INTO fixture_of_ceralacca.entry VALUES ('\x01a204c2c609ab228f938b59159bc671', 2, '\x01a204c2c6fa23ab8be60086c9d1921d', '\x', '', 3, 1789825279000000, 57, '\x01a204c2c6facd959adf0efa1a95e288');
INSERT INTO fixture_of_ceralacca.entry VALUES ('\x01a204c2c609ab228f938b59159bc671', 3, '\x01a204c2c71534212aa25a666bfb8633', '\x', '', 4, 1789825279000000, 57, '\x01a204c2c7150a5d110574b422a581de');
INSERT INTO fixture_of_ceralacca.entry VALUES ('\x01a204c2c609ab228f938b59159bc671', 4, '\x01a204c2c7196d686dcb027f98cf9fd3', '\x', '', 5, 1789825279000000, 70, '\x01a204c2c719d65136bd59f09343fdd7');
INSERT INTO fixture_of_ceralacca.envelope VALUES ('\x01a204c2c719166a976a47ee962385c2', 'alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', '\x3ad7f9b670b0ead55c5a74612730afff3a458080ad39d8ab67b7442f480cc0ae', '\x3c706f737461636572742f3e', '\x46726f6d3a204d6172696f2e526f73736940616c66612e746573740d0a4d6573736167652d49443a203c303161323034633263373139383966303533333464303463306663636234386240686f73743e0d0a0d0a', '\x01a204c2c71977630e81b2a20b399712', 84, 13, 0, 'Mario.Rossi@alfa.test', '\x01a204c2c60964408e86b83ae8806077', 1789825279000000);
INSERT INTO fixture_of_ceralacca.event VALUES ('alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', '', 'accepted', '\x01a204c2c719d65136bd59f09343fdd7', 0, 1789825279000000);
INSERT INTO fixture_of_ceralacca.fact VALUES ('\x01a204c2c719d65136bd59f09343fdd7', 1, 1789825279000000, '\x37e71fd550e8809ae0538f213c330eed', '\x636572616c616363612d7265636f726420310a666163742030316132303463326337313964363531333662643539663039333433666464370a617420323032362d30392d31395431333a34313a31395a0a756e697420616c66610a6576656e742061636365707465640a696420636c312e303161323034633263373139373834633330363135303730343263396363616540616c66612e746573740a70726f766964657220616c66610a73656e646572204d6172696f2e526f73736940616c66612e746573740a726563697069656e7420636572746966696361746f2070726f746f636f6c6c6f40626574612e746573740a726563697069656e7420636572746966696361746f206c7569676940616c66612e746573740a7375626a656374205065726368c3a9206e6f5c7830645c7830616576656e743a20666f726765640a64657461696c2063697474c3a00a');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a204c2c6093c7186f45229df1205b6', '\x01a204c2c60964408e86b83ae8806077', 'Bozze', '\Drafts', 1795376204, 1, 1, 0, 1, '\x01a204c2c60914be15a95bb0924166ae');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a204c2c609fd4d14cb6818154f0ea1', '\x01a204c2c60964408e86b83ae8806077', 'Inviata', '\Sent', 1795376205, 1, 1, 0, 1, '\x01a204c2c60914be15a95bb0924166ae');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a204c2c609371cb596e89ad2281969', '\x01a204c2c60964408e86b83ae8806077', 'Cestino', '\Trash', 1795376206, 1, 1, 0, 1, '\x01a204c2c60914be15a95bb0924166ae');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a204c2c61328e73e81be11a2a6cf61', '\x01a204c2c613377798a3c25450ffe76c', 'INBOX', '', 1795376203, 1, 1, 0, 1, '\x01a204c2c613eafcc1637b7f1a1d31d9');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a204c2c6131f3cea0312912b259a08', '\x01a204c2c613377798a3c25450ffe76c', 'Bozze', '\Drafts', 1795376204, 1, 1, 0, 1, '\x01a204c2c613eafcc1637b7f1a1d31d9');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a204c2c613c046dfc199db222606fb', '\x01a204c2c613377798a3c25450ffe76c', 'Inviata', '\Sent', 1795376205, 1, 1, 0, 1, '\x01a204c2c613eafcc1637b7f1a1d31d9');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a204c2c6134079019c782d2a6497db', '\x01a204c2c613377798a3c25450ffe76c', 'Cestino', '\Trash', 1795376206, 1, 1, 0, 1, '\x01a204c2c613eafcc1637b7f1a1d31d9');
INSERT INTO fixture_of_ceralacca.folder VALUES ('\x01a204c2c609ab228f938b59159bc671', '\x01a204c2c60964408e86b83ae8806077', 'INBOX', '', 1795376203, 5, 5, 0, 1, '\x01a204c2c719d65136bd59f09343fdd7');
INSERT INTO fixture_of_ceralacca.issued VALUES ('alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', '', 'accept', 'accettazione', '\x01a204c2c7196d686dcb027f98cf9fd3', '\x01a204c2c719d65136bd59f09343fdd7');
INSERT INTO fixture_of_ceralacca.mailbox VALUES ('\x01a204c2c613377798a3c25450ffe76c', 'luigi@alfa.test', 'luigi@alfa.test', 'holder', 'enabled', 1789825279000000, 0, 0, 1795376207, '\x01a204c2c613eafcc1637b7f1a1d31d9', 0);
INSERT INTO fixture_of_ceralacca.mailbox VALUES ('\x01a204c2c60964408e86b83ae8806077', 'Mario.Rossi@alfa.test', 'mario.rossi@alfa.test', 'holder', 'enabled', 1789825279000000, 241, 0, 1795376207, '\x01a204c2c719d65136bd59f09343fdd7', 1);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a204c2c6c4e6f088bc0a59ea09417b', 'own', '', '', '', '', NULL, NULL, '\x01a204c2c6c41191409bd5ccbee4f439', 57, '\x0100391f00231600047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a204c2c6fa23ab8be60086c9d1921d', 'own', '', '', '', '', NULL, NULL, '\x01a204c2c6fa592d1ac0029250092061', 57, '\x0100391f00231600047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a204c2c71534212aa25a666bfb8633', 'own', '', '', '', '', NULL, NULL, '\x01a204c2c7152dea3793289f623a8202', 57, '\x0100391f00231600047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a204c2c719166a976a47ee962385c2', 'posta-certificata', 'alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 'alfa', '\x3ad7f9b670b0ead55c5a74612730afff3a458080ad39d8ab67b7442f480cc0ae', '\x3ad7f9b670b0ead55c5a74612730afff3a458080ad39d8ab67b7442f480cc0ae', '\x01a204c2c719d7ed97b645da628e990c', 28, '\x01000b07000b0000047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.message VALUES ('\x01a204c2c7196d686dcb027f98cf9fd3', 'accettazione', 'alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 'alfa', '\x3ad7f9b670b0ead55c5a74612730afff3a458080ad39d8ab67b7442f480cc0ae', '\x3ad7f9b670b0ead55c5a74612730afff3a458080ad39d8ab67b7442f480cc0ae', '\x01a204c2c719294f5412f2d3ce5921c1', 70, '\x01000b07000b0000047465787405706c61696e00', '', 1789825279000000);
INSERT INTO fixture_of_ceralacca.meta VALUES ('store', '01a204c2c5afd5374ecb041f3bb6f1a1');
INSERT INTO fixture_of_ceralacca.meta VALUES ('schema', '2');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a204c2c60914be15a95bb0924166ae', false, '2026-11-22 19:36:43.277821+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a204c2c613eafcc1637b7f1a1d31d9', false, '2026-11-22 19:36:43.286782+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a204c2c61a7d14389101dd3ef4015f', false, '2026-11-22 19:36:43.45015+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a204c2c6c4aaa0712eac1b1822403f', false, '2026-11-22 19:36:43.500371+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a204c2c6facd959adf0efa1a95e288', false, '2026-11-22 19:36:43.516797+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a204c2c7150a5d110574b422a581de', false, '2026-11-22 19:36:43.542054+00');
INSERT INTO fixture_of_ceralacca.once VALUES ('\x01a204c2c719d65136bd59f09343fdd7', false, '2026-11-22 19:36:43.546838+00');
INSERT INTO fixture_of_ceralacca.reference VALUES ('\x01a204c2c6c4e6f088bc0a59ea09417b', '\x01a204c2c6c4591dc934fea463787804');
INSERT INTO fixture_of_ceralacca.reference VALUES ('\x01a204c2c6fa23ab8be60086c9d1921d', '\x01a204c2c6fae41b14877cefd47c297a');
INSERT INTO fixture_of_ceralacca.reference VALUES ('\x01a204c2c71534212aa25a666bfb8633', '\x01a204c2c715cb97c806b2ab09032f85');
INSERT INTO fixture_of_ceralacca.reference VALUES ('\x01a204c2c719166a976a47ee962385c2', '\x01a204c2c71977630e81b2a20b399712');
INSERT INTO fixture_of_ceralacca.relay VALUES ('\x01a204c2c719166a976a47ee962385c2', 'protocollo@beta.test', 'protocollo@beta.test', '\x01a204c2c719445b497086b801292dcf', 'pending', '', 1789825279000000, '\x01a204c2c719d65136bd59f09343fdd7');
INSERT INTO fixture_of_ceralacca.relay VALUES ('\x01a204c2c719166a976a47ee962385c2', 'luigi@alfa.test', 'luigi@alfa.test', '\x01a204c2c719ee048eda9283b9dffaf5', 'pending', '', 1789825279000000, '\x01a204c2c719d65136bd59f09343fdd7');
INSERT INTO fixture_of_ceralacca.sequence VALUES (1, 1);
INSERT INTO fixture_of_ceralacca.submission VALUES ('\x01a204c2c60964408e86b83ae8806077', '<01a204c2c71989f05334d04c0fccb48b@host>', '\x084e6689bf5e6e5fa5dc436711f60c83875e26c1aff17589414245ec9a67c3fb', '\x1bcec9c76c4e13be59559294909c50b7a80ba45457ea2536635db52aa0071f9b', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 1789825279000000);
INSERT INTO fixture_of_ceralacca.task VALUES ('\x01a204c2c719445b497086b801292dcf', 'relay', 1789825279000000, 1789825279000000, 0, '\x01a204c2c719166a976a47ee962385c2', 'alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 'Mario.Rossi@alfa.test', 'beta', 'mario.rossi@alfa.test', '', '\x01a204c2c719d65136bd59f09343fdd7', '');
INSERT INTO fixture_of_ceralacca.task VALUES ('\x01a204c2c719ee048eda9283b9dffaf5', 'receive', 1789825279000000, 1789825279000000, 0, '\x01a204c2c719166a976a47ee962385c2', 'alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 'Mario.Rossi@alfa.test', 'alfa', 'mario.rossi@alfa.test', '', '\x01a204c2c719d65136bd59f09343fdd7', '');
INSERT INTO fixture_of_ceralacca.tracking VALUES ('alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 'protocollo@beta.test', 'pending', 1789825279000000, NULL, NULL, NULL, NULL, '\x01a204c2c719d65136bd59f09343fdd7');
INSERT INTO fixture_of_ceralacca.tracking VALUES ('alfa', 'cl1.01a204c2c719784c3061507042c9ccae@alfa.test', 'luigi@alfa.test', 'pending', 1789825279000000, NULL, NULL, NULL, NULL, '\x01a204c2c719d65136bd59f09343fdd7');
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
