package store

import "testing"

func TestSQLite(t *testing.T) { conformance(t, openSQLiteDir) }

// conformance holds an engine to what the package promises. open opens a store in a new place; o.Dir is empty.
func conformance(t *testing.T, open func(t testing.TB, o Options) *Store) {
	t.Parallel()
	for _, promise := range []struct {
		name string
		hold func(*world)
	}{
		{"facts are numbered without gaps", factsAreNumbered},
		{"a fact's id is unique", factIDIsUnique},
		{"conditions of a fact", conditions},
		{"a submission is known for five days", submissionIsForgotten},
		{"arrivals are compared", arrivalsAreCompared},
		{"receipts are compared", receiptsAreCompared},
		{"an outcome cancels the relay", outcomeCancelsRelay},
		{"octets come back", octetsComeBack},
		{"recipes come back", recipesComeBack},
		{"contents are shared when they are the same", contentsAreShared},
		{"a sent message appended shares its body", appendShares},
		{"a spool leaves nothing", spoolLeavesNothing},
		{"credentials", credentials},
		{"remembered logins", rememberedLogins},
		{"an unknown address costs the same", unknownAddressCosts},
		{"folders", folders},
		{"renaming folders", renamingFolders},
		{"UIDVALIDITY grows", uidValidityGrows},
		{"quota follows the entries", quotaFollows},
		{"copies and moves", copiesAndMoves},
		{"flags", flagsChange},
		{"UIDs and mod-sequences under concurrency", concurrentFolder},
		{"sessions are told", sessionsAreTold},
		{"service mailboxes are pruned", serviceIsPruned},
		{"held messages", heldMessages},
		{"tasks run once", tasksRunOnce},
		{"tasks run when due", tasksRunWhenDue},
		{"a jump of the clock is never missed", jumpIsNeverMissed},
		{"a moment that passes is never missed", momentIsNeverMissed},
		{"tasks that fail are retried", tasksAreRetried},
		{"tasks that conflict are decided again", conflictsAreDecidedAgain},
		{"commits share groups", commitsShareGroups},
	} {
		t.Run(promise.name, func(t *testing.T) {
			t.Parallel()
			promise.hold(newWorld(t, open))
		})
	}
	for _, f := range facts() {
		t.Run("fact "+f.name, func(t *testing.T) {
			t.Parallel()
			f.holds(newWorld(t, open))
		})
	}
}
