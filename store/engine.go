package store

import (
	"context"
	"os"
	"time"
)

// engine keeps batches and octets. There is one a store; the conformance suite of this package holds every engine to this
// contract. What differs is in sqlite*.go, segment.go, recover.go and files.go, and in postgres*.go; all else is one text.
type engine interface {
	// commit makes the batch durable. settled is called once, as soon as the outcome is known and before commit returns it: nil,
	// or an error after which nothing of the batch is or will be stored. Where the outcome is not known yet commit returns
	// ErrUnknown: either the engine has called the store's fatal function, or it runs the very same batch again until it knows.
	commit(b *batch, settled func(error)) error
	// reader reads what is committed.
	reader() *reader
	// spool makes the file that a long content is written to while it arrives.
	spool(id ID) (*os.File, error)
	// seal makes the octets of such a file durable, ahead of the fact that names them.
	seal(ctx context.Context, c *Content) error
	// release lets go of it; what no fact names is removed.
	release(c *Content)
	// place finds a durable content, or ErrNotFound; open reads it.
	place(ctx context.Context, id ID) (placed, error)
	open(ctx context.Context, c placed) (octetSource, error)
	// claim takes due tasks for this process.
	claim(ctx context.Context, w wanted) ([]Task, error)
	// token marks the tasks of this process in the table. It is empty where no other process can have any.
	token() string
	// hint is told what other processes may want to know: that folders changed, and that there are tasks to take.
	hint(folders []ID, kinds []TaskKind)
	// where names the place of the data in messages.
	where() string
	// settle ends what may be left to do behind commits.
	settle(ctx context.Context) error
	// mark writes a mark of a move, or removes it if value is "". It fails if others may have used the place since it was opened
	// alone.
	mark(ctx context.Context, name, value string) error
	// close ends the engine after the batches under way.
	close() error
}

// wanted is what a look at the table of tasks asks for.
type wanted struct {
	kind TaskKind
	now  int64 // tasks that are due now, the oldest first
	most int
	full []string // targets to leave out
	// held are the tasks that this process has. Those that the table says it has, and are not among them, are taken again: a
	// look or a commit that failed left them behind.
	held []ID
}

// pace bounds what a process takes at a time, and says how often it looks unasked.
type pace struct {
	queue int
	look  time.Duration // 0: what is due is known without
}

// paceOf: of several processes, what one does not take is for the others, and what they leave behind is found by looking.
func paceOf(o Options) pace {
	if o.Database == "" {
		return pace{queue: 1 << 16}
	}
	return pace{queue: 1 << 10, look: 5 * time.Second}
}

// placed is a durable content.
type placed struct {
	id     ID
	size   int64
	sha256 []byte
	at     position // SQLite
	octets []byte   // PostgreSQL: a short content
}
