package store

import (
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

func TestSQLite(t *testing.T) { conformance(t, openSQLiteDir) }

// promise is one that an engine has to hold.
type promise struct {
	name string
	hold func(*world)
}

// conformance holds an engine to what the package promises. open opens a store in a new place; o.Dir is empty. Making a
// world costs most, so those promises share one that do not disturb each other, in their order.
func conformance(t *testing.T, open func(t testing.TB, o Options) *Store) {
	t.Parallel()
	for name, promises := range map[string][]promise{
		"records": {
			{"facts are numbered without gaps", factsAreNumbered},
			{"a fact's id is unique", factIDIsUnique},
			{"instants follow their cause", instantsFollowTheirCause},
			{"conditions of a fact", conditions},
			{"other octets under one id", otherOctets},
			{"arrivals are compared", arrivalsAreCompared},
			{"receipts are compared", receiptsAreCompared},
			{"an outcome cancels the relay", outcomeCancelsRelay},
			{"notices are owed", noticesAreOwed},
			{"silence ends", silenceEnds},
			{"nothing after the final notice", nothingAfterTheFinal},
			{"room is kept", roomIsKept},
			{"held messages", heldMessages},
		},
		"octets": {
			{"octets come back", octetsComeBack},
			{"recipes come back", recipesComeBack},
			{"contents are shared when they are the same", contentsAreShared},
		},
		"submissions": {{"a submission is known for five days", submissionIsForgotten}, {"an anomaly is known for five days", anomaliesAreForgotten}},
		"sent":        {{"a sent message appended shares its body", appendShares}},
		"spools":      {{"a spool leaves nothing", spoolLeavesNothing}},
		"logins": {
			{"one mailbox an address", mailboxesAreOnePerAddress},
			{"an unknown address costs the same", unknownAddressCosts},
			{"credentials", credentials},
			{"remembered logins", rememberedLogins},
		},
		"folders": {
			{"folders", newHolders(folders)},
			{"renaming folders", newHolders(renamingFolders)},
			{"UIDVALIDITY grows", newHolders(uidValidityGrows)},
			{"quota follows the entries", newHolders(quotaFollows)},
			{"copies and moves", newHolders(copiesAndMoves)},
			{"flags", newHolders(flagsChange)},
			{"the date of what is appended", newHolders(appendedAt)},
			{"sessions are told", newHolders(sessionsAreTold)},
			{"service mailboxes are pruned", newHolders(serviceIsPruned)},
		},
		"one folder": {{"UIDs and mod-sequences under concurrency", concurrentFolder}},
		"groups":     {{"commits share groups", commitsShareGroups}},
		"audits":     {{"what is audited is what was committed", audits}},
		"work": {
			{"commits outlive their callers", commitsOutliveTheirCallers},
			{"tasks run once", tasksRunOnce},
			{"tasks run when due", tasksRunWhenDue},
			{"a jump of the clock is never missed", jumpIsNeverMissed},
			{"a moment that passes is never missed", momentIsNeverMissed},
			{"tasks that fail are retried", tasksAreRetried},
			{"tasks that conflict are decided again", conflictsAreDecidedAgain},
		},
		"facts": factPromises(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open)
			for _, p := range promises {
				t.Run(p.name, func(t *testing.T) {
					one := *w
					one.TB = t
					p.hold(&one)
				})
			}
		})
	}
}

func factPromises() (ps []promise) {
	for _, f := range facts() {
		ps = append(ps, promise{f.name, f.holds})
	}
	return ps
}

// newHolders lets a promise work on mailboxes that nobody had before.
func newHolders(hold func(*world)) func(*world) {
	return func(w *world) {
		w.mario, w.luigi = w.addMailbox(newAddress(), false), w.addMailbox(newAddress(), false)
		hold(w)
	}
}

func newAddress() pec.Address { return pec.Address(NewID().String() + "@alfa.test") }
