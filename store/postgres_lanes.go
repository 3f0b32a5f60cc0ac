package store

import "sync"

// lanes bound how many connections the commits into one folder take: they wait for each other's rows anyway, and others must
// find a connection (attacks.md 39).
type lanes struct {
	mu   sync.Mutex
	open map[ID]*folderLane
}

// folderLane lets three through at a time.
type folderLane struct {
	slots chan struct{}
	users int
}

const laneWidth = 3

// enter waits for its turn, by the first of the folders; the returned function ends it.
func (l *lanes) enter(folders []ID) (leave func()) {
	if len(folders) == 0 {
		return func() {}
	}
	id := folders[0]
	l.mu.Lock()
	if l.open == nil {
		l.open = map[ID]*folderLane{}
	}
	one := l.open[id]
	if one == nil {
		one = &folderLane{slots: make(chan struct{}, laneWidth)}
		l.open[id] = one
	}
	one.users++
	l.mu.Unlock()
	one.slots <- struct{}{}
	return func() {
		<-one.slots
		l.mu.Lock()
		defer l.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(l.open, id)
		}
	}
}
