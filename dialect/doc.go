// Package dialect writes messages as the engines of other Italian providers write them: their header order, MIME tree,
// texts, layout of daticert.xml, identifiers and CMS signatures (field-notes.md 3 to 11).
//
// It is for sandboxes and tests: an integrator's software, and our own reader, must bear what is on the wire today
// (quirks.md). Most engines sign with SHA-1, and their boundaries have less chance in them than ours. A provider does not use
// this package outside a sandbox.
//
// # What it guarantees
//
// [Engine.Compose] takes what pec.Compose takes and refuses what pec.Compose refuses. [Draft.Check] reads the draft back as
// a peer would: it is formally correct, and its data are those that were put in, apart from the engine's own deviations,
// which [Draft] shows. The domain of identifiers, the signing address and the issuer's name are the caller's. The octets of
// an enclosed body are not touched; they are streamed by the caller between Before and After.
//
// An engine is a value: rows of one table (opec.go, jpec.go, legalmail.go, others.go), the MIME tree in skeletons/, the
// texts in texts/. Where the field notes give no text for a kind, it is the annex's, as pec writes it, with what it says
// outside ISO-8859-1 as '?'. Where they say nothing at all (taking in charge, overdue, virus, anomaly) the engine's nearest
// neighbour is followed.
//
// # Chance and failure
//
// There is no clock and no randomness here: counters, GUIDs and boundaries follow from the octets that the caller has drawn,
// so the same values give the same octets. Nothing is on disk. A failure is an error and leaves nothing behind.
package dialect
