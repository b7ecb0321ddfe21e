package scene

import (
	"cmp"
	"slices"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// How many keys there are at most of each kind: what is rarer than the most
// frequent is one key for all of its class.
const (
	mostKernels = 200
	mostNames   = 64  // of calls, and of scopes and marks each
	mostLines   = 200 // of the cell's lines, and of causes of idle time
)

// name is a key before it has a number. The class tells what the other two mean; with
// neither, it is the rest of its class: all that has no key of its own.
type name struct {
	class class
	id    timeline.NameID
	line  int32
}

// class is an index into keys.classes: names are looked up once an interval, and text is slow to hash.
type class uint32

// restLabels are what the rest of a class is called, where the class alone would not say it.
var restLabels = map[string]string{"line": "other lines", "scope": "other scopes", "mark": "other marks",
	"kernel": "other kernels", "copy": "other copies", "set": "memory sets"}

// keys numbers names in the order in which they are asked for.
type keys struct {
	list   []result.SceneKey
	number map[name]int32
	// found are the last answers of find: names repeat, and each interval has one.
	found   [64]found
	rest    []int32 // by key, that of the rest of its class
	bytes   int     // of the labels
	classes []string
}

func newKeys() *keys {
	return &keys{list: []result.SceneKey{{Class: "other"}}, number: map[name]int32{}, rest: []int32{otherKey}}
}

// class is the number of a class. There are few: those of this package, states and causes.
func (k *keys) class(text string) class {
	at := slices.Index(k.classes, text)
	if at < 0 {
		at = len(k.classes)
		k.classes = append(k.classes, text)
	}
	return class(at)
}

// of is the number of a name, made with that label when it is new.
func (k *keys) of(n name, label string) int32 {
	if at, ok := k.number[n]; ok {
		return at
	}
	rest := name{class: n.class}
	if n != rest {
		k.of(rest, "")
	} else if label == "" {
		label = restLabels[k.classes[n.class]]
	}
	at := int32(len(k.list))
	k.number[n], *k.last(n) = at, found{}
	if r := []rune(label); k.bytes > mostBytes && len(r) > fewLetters {
		label = string(r[:fewLetters]) + "…"
	}
	k.bytes += len(label)
	k.list = append(k.list, result.SceneKey{Class: k.classes[n.class], Label: label, Line: n.line})
	k.rest = append(k.rest, k.number[rest])
	return at
}

// find is the number of a name that has one, else of the rest of its class.
func (k *keys) find(n name) int32 {
	last := k.last(n)
	if last.name == n && last.key != otherKey {
		return last.key
	}
	at, ok := k.number[n]
	if !ok {
		at = k.of(name{class: n.class}, "")
	}
	*last = found{n, at}
	return at
}

// found is an answer of find; the key of what has no class stands for none.
type found struct {
	name
	key int32
}

// last is where the last answer for a name is kept.
func (k *keys) last(n name) *found {
	return &k.found[(uint32(n.id)+uint32(n.line)*7+uint32(n.class)*31)%uint32(len(k.found))]
}

// weights counts how much there is of each name, and gives the largest their keys.
type weights map[name]int64

// largest are the names with the largest sums, at most n.
func (w weights) largest(n int) []name {
	out := make([]name, 0, len(w))
	for of := range w {
		out = append(out, of)
	}
	slices.SortFunc(out, func(x, y name) int {
		return cmp.Or(cmp.Compare(w[y], w[x]), cmp.Compare(x.class, y.class), cmp.Compare(x.id, y.id), cmp.Compare(x.line, y.line))
	})
	return out[:min(len(out), n)]
}

// admit gives keys to the n largest of w, with what label says of each.
func (k *keys) admit(w weights, n int, label func(name) string) {
	for _, of := range w.largest(n) {
		k.of(of, label(of))
	}
}

// label is a name as a report may hold it.
func (s *stage) label(n name) string { return cut(s.tl.Names.String(n.id)) }

// mostLabel is the length of a label in characters. Once all of them have
// mostBytes, others have few letters.
const (
	mostLabel  = 96
	mostBytes  = 24_000
	fewLetters = 12
)

// cut makes text one plain line of bounded length; what is cut out of the middle of
// a kernel's name tells least.
func cut(text string) string {
	const whole = 16 * mostLabel
	if len(text) > whole {
		text = text[:whole]
	}
	text = phrase.Plain(text)
	if r := []rune(text); len(r) > mostLabel {
		text = string(r[:mostLabel*2/3]) + "…" + string(r[len(r)-mostLabel/3+1:])
	}
	return text
}
