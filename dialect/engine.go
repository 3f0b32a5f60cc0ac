package dialect

import (
	"fmt"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// Engine is the software of a provider, of one time (field-notes.md 1.2). It does not change and may be used concurrently.
type Engine struct {
	Name string // "opec", or "opec-2014" for a variant

	envelopeID, receiptID string // patterns of identifiers: identifier.go

	header   headerStyle
	tree     treeStyle
	text     textStyle
	data     dataStyle
	original originalStyle
	cms      cmsStyle
}

// Named finds an engine. The error names those that there are.
func Named(name string) (*Engine, error) {
	for _, e := range Engines() {
		if e.Name == name {
			return e, nil
		}
	}
	return nil, fmt.Errorf("engine %q is not known: there are %s", name, strings.Join(Names(), ", "))
}

// Names are those of all engines.
func Names() []string {
	var names []string
	for _, e := range Engines() {
		names = append(names, e.Name)
	}
	return names
}

// Engines are all engines of field-notes.md 4.
func Engines() []*Engine {
	return []*Engine{
		opec(), opec2014(), sogei(), jpec(), jpec2023(), legalmail(), legalmail2015(), telecompost(), cedacri(), register(), irideos(),
	}
}

// isEnvelope tells the kinds that have the envelope's header.
func isEnvelope(k pec.Kind) bool { return k == pec.Transport || k == pec.Anomaly }
