package timeline

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// Bounds on text that comes from the profiled process: a name longer than
// MaxName bytes is cut and marked, and past MaxNamesBytes in all new names are
// replaced by OverflowName.
const (
	MaxName       = 4 << 10
	MaxNamesBytes = 64 << 20
	// CutMark ends a name that was cut.
	CutMark = "…"
	// OverflowName stands for every new name once the table is full.
	OverflowName = "(too many names)"
)

// Names is a table of interned strings. The zero value holds the empty string only.
type Names struct{ text []string }

// String is the text of a name; the empty string when id is not in the table.
func (n *Names) String(id NameID) string {
	if int(id) < len(n.text) {
		return n.text[id]
	}
	return ""
}

// Len is the number of names, the empty one included.
func (n *Names) Len() int { return max(len(n.text), 1) }

// nameTable interns names; safe for concurrent use.
type nameTable struct {
	mu       sync.RWMutex
	ids      map[string]NameID
	text     []string
	bytes    int
	cut      int64
	overflow int64
}

func newNameTable() *nameTable {
	return &nameTable{ids: map[string]NameID{"": 0}, text: []string{""}}
}

func (t *nameTable) intern(s string) NameID {
	if len(s) > MaxName || !utf8.ValidString(s) {
		long := len(s) > MaxName
		s = bounded(s, MaxName)
		if long {
			t.mu.Lock()
			t.cut++
			t.mu.Unlock()
		}
	}
	t.mu.RLock()
	id, ok := t.ids[s]
	t.mu.RUnlock()
	if ok {
		return id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.ids[s]; ok {
		return id
	}
	if t.bytes+len(s) > MaxNamesBytes {
		t.overflow++
		s = OverflowName
		if id, ok := t.ids[s]; ok {
			return id
		}
	}
	// A copy of its own: the caller's string may be a slice of a large message.
	s = strings.Clone(s)
	id = NameID(len(t.text))
	t.ids[s] = id
	t.text = append(t.text, s)
	// The map entry and the header weigh about as much as a short name.
	t.bytes += len(s) + 64
	return id
}

// bounded is s as valid UTF-8 of at most limit bytes, marked when it was cut.
func bounded(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if !cut && len(s) <= limit {
		return s
	}
	end := min(len(s), limit-len(CutMark))
	for end > 0 && end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + CutMark
}
