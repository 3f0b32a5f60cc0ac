package dialect

import "time"

// The forms of the Date field (field-notes.md 3). Instants are in legal time.

func plainDate(at time.Time, _ bool) string { return at.Format(time.RFC1123Z) }

// commentedDate names the zone too (quirks.md B15).
func commentedDate(at time.Time, _ bool) string { return at.Format(time.RFC1123Z + " (MST)") }

func commentedReceiptDate(at time.Time, envelope bool) string {
	if envelope {
		return plainDate(at, true)
	}
	return commentedDate(at, false)
}

func utcDate(at time.Time, _ bool) string { return at.UTC().Format(time.RFC1123Z) }

// earlyDate is six seconds before the certified instant (quirks.md C19).
func earlyDate(at time.Time, _ bool) string { return plainDate(at.Add(-6*time.Second), true) }

func (w *headerWriter) date() string {
	format := w.style.date
	if format == nil {
		format = plainDate
	}
	return format(w.draft.Data.At, isEnvelope(w.draft.Kind))
}
