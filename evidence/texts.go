package evidence

import (
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

//go:embed texts templates
var files embed.FS

// Language is that of a report for people.
type Language string

// The languages.
const (
	Italian Language = "it"
	English Language = "en"
)

// texts are what is said in one language, by key.
type texts map[string]string

// load reads the texts of a language.
func load(l Language) (texts, error) {
	octets, err := files.ReadFile("texts/" + string(l) + ".txt")
	if err != nil {
		return nil, fmt.Errorf("there are no texts in %q: choose %s or %s", l, Italian, English)
	}
	t := texts{}
	for line := range strings.Lines(string(octets)) {
		if key, text, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			t[strings.TrimSpace(key)] = strings.TrimSpace(text)
		}
	}
	return t, nil
}

// say is the text of a key with as many of the arguments as it has places for; a key without a text is said as it is, which a
// test does not let happen.
func (t texts) say(key string, args ...any) string {
	text, ok := t[key]
	if !ok {
		return key
	}
	if n := min(len(args), strings.Count(text, "%")); n > 0 {
		return fmt.Sprintf(text, args[:n]...)
	}
	return text
}

// instant is a time for people: Italian legal time, with its offset.
func (t texts) instant(at *time.Time) string {
	if at == nil {
		return t.say("none")
	}
	return at.In(pec.Rome()).Format("02/01/2006 15:04:05 (-0700)")
}

// first is the text of the first key that there is.
func (t texts) first(keys ...string) string {
	for _, key := range keys {
		if text, ok := t[key]; ok {
			return text
		}
	}
	return keys[len(keys)-1]
}
