package store

import "slices"

// perTarget is how many tasks of a kind run at a time for one target: one peer that stalls, or one mailbox that everybody
// writes to, leaves workers to the others (attacks.md 18). A relay waits for the network and two disks; the pool bounds its
// connections.
func perTarget(k TaskKind) int {
	if k == TaskRelay {
		return 40
	}
	return 8
}

// turns orders what waits. Holders take turns, for what they sent and what comes back about it, and within a holder's tasks
// the targets do, so that nobody waits for one holder's burst (attacks.md 39). A target that has all its workers is passed over
// until one is free.
type turns struct {
	order   []*turn // holders with something to run, the next one first
	byName  map[string]*turn
	most    int                // workers of a target
	running map[string]int     // workers by target; no entry: none
	parked  map[string][]*lane // of targets that have all their workers
}

// turn has the lanes of one holder, those that may run, the next one first.
type turn struct {
	name   string
	listed bool // in turns.order
	lanes  []*lane
	to     map[string]*lane
}

// lane is what one holder has for one target.
type lane struct {
	from   *turn
	target string
	claims []*claim
}

func newTurns(most int) turns {
	return turns{most: most, byName: map[string]*turn{}, running: map[string]int{}, parked: map[string][]*lane{}}
}

func (o *turns) add(c *claim) {
	name := c.task.Turn
	s := o.byName[name]
	if s == nil {
		s = &turn{name: name, to: map[string]*lane{}}
		o.byName[name] = s
	}
	l := s.to[c.task.Target]
	if l == nil {
		l = &lane{from: s, target: c.task.Target}
		s.to[l.target] = l
		o.list(l)
	}
	l.claims = append(l.claims, c)
}

// list puts a lane at the end of its holder's, or aside if its target has all its workers.
func (o *turns) list(l *lane) {
	if o.isFull(l.target) {
		o.parked[l.target] = append(o.parked[l.target], l)
		return
	}
	l.from.lanes = append(l.from.lanes, l)
	if !l.from.listed {
		l.from.listed = true
		o.order = append(o.order, l.from)
	}
}

// A receive task has no target: it waits for nobody else.
func (o *turns) isFull(target string) bool { return target != "" && o.running[target] >= o.most }

// take is the next claim that may run, or nil.
func (o *turns) take() *claim {
	for len(o.order) > 0 {
		s := o.order[0]
		o.order, s.listed = o.order[1:], false
		l := s.lanes[0]
		s.lanes = s.lanes[1:]
		if len(s.lanes) > 0 {
			s.listed = true
			o.order = append(o.order, s)
		}
		if c := o.from(l); c != nil {
			return c
		}
	}
	return nil
}

// from takes the first claim of a lane that is on no list, and lists the lane again if it has more.
func (o *turns) from(l *lane) *claim {
	if o.isFull(l.target) {
		o.list(l)
		return nil
	}
	for len(l.claims) > 0 && l.claims[0].state != claimWaiting {
		l.claims = l.claims[1:]
	}
	if len(l.claims) == 0 {
		o.remove(l)
		o.unpark(l.target)
		return nil
	}
	c := l.claims[0]
	l.claims = l.claims[1:]
	o.running[l.target]++
	if len(l.claims) == 0 {
		o.remove(l)
	} else {
		o.list(l)
	}
	return c
}

func (o *turns) remove(l *lane) {
	delete(l.from.to, l.target)
	if len(l.from.to) == 0 {
		delete(o.byName, l.from.name)
	}
}

// ended gives the worker of a claim back to its target.
func (o *turns) ended(c *claim) {
	target := c.task.Target
	if o.running[target]--; o.running[target] == 0 {
		delete(o.running, target)
	}
	o.unpark(target)
}

// unpark lists the first lane that was put aside for a target.
func (o *turns) unpark(target string) {
	aside := o.parked[target]
	if len(aside) == 0 {
		return
	}
	o.parked[target] = aside[1:]
	if len(aside) == 1 {
		delete(o.parked, target)
	}
	o.list(aside[0])
}

// empty tells whether nothing may run.
func (o *turns) empty() bool { return len(o.order) == 0 }

// full lists the targets that have all their workers.
func (o *turns) full() []string {
	var names []string
	for target := range o.running {
		if o.isFull(target) {
			names = append(names, target)
		}
	}
	slices.Sort(names)
	return names
}
