package check

import (
	"context"
	"fmt"

	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// Options say what a check may rely on.
type Options struct {
	// Anchors are what our own and other providers' certificates lead to; nil checks signatures without their path.
	Anchors *smime.Anchors
}

// Report is what a check found.
type Report struct {
	Facts, Messages, Recipients, Entries int
	Violations                           []string
}

// checker is one run.
type checker struct {
	ctx     context.Context
	store   *store.Store
	anchors *smime.Anchors
	report  Report
}

// Run checks the store. The error tells that the check itself could not be made.
func Run(ctx context.Context, st *store.Store, o Options) (*Report, error) {
	c := &checker{ctx: ctx, store: st, anchors: o.Anchors}
	for _, step := range []func() error{c.records, c.rows, c.messages, c.originals, c.contents} {
		if err := step(); err != nil {
			return &c.report, err
		}
	}
	return &c.report, nil
}

func (c *checker) violation(format string, args ...any) {
	c.report.Violations = append(c.report.Violations, fmt.Sprintf(format, args...))
}

func (c *checker) contents() error {
	return c.store.VerifyContents(c.ctx, func(id store.ID, err error) { c.violation("content %s: %v", id, err) })
}
