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

// name is a key before it has a number. The class tells what the other two mean.
type name struct {
	class string
	id    timeline.NameID
	line  int32
}

// keys numbers names in the order in which they are asked for.
type keys struct {
	list   []result.SceneKey
	number map[name]int32
	bytes  int // of the labels
}

func newKeys() *keys {
	return &keys{list: []result.SceneKey{{Class: "other"}}, number: map[name]int32{}}
}

// of is the number of a name, made with that label when it is new.
func (k *keys) of(n name, label string) int32 {
	if at, ok := k.number[n]; ok {
		return at
	}
	at := int32(len(k.list))
	k.number[n] = at
	if r := []rune(label); k.bytes > mostBytes && len(r) > fewLetters {
		label = string(r[:fewLetters]) + "…"
	}
	k.bytes += len(label)
	k.list = append(k.list, result.SceneKey{Class: n.class, Label: label, Line: n.line})
	return at
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

// admit gives keys to the n largest of w, and returns the key of any name: its own,
// or the one that all the others of its class share.
func (k *keys) admit(tl *timeline.Timeline, w weights, n int, rest string) func(name) int32 {
	for _, of := range w.largest(n) {
		k.of(of, label(tl, of.id))
	}
	return func(of name) int32 {
		if at, ok := k.number[of]; ok {
			return at
		}
		return k.of(name{class: of.class, id: restID}, rest)
	}
}

// restID is no name of a timeline: the key of names without one has it.
const restID = ^timeline.NameID(0)

// label is a name as a report may hold it.
func label(tl *timeline.Timeline, id timeline.NameID) string { return cut(tl.Names.String(id)) }

// mostLabel is the length of a label in characters. Once all of them have
// mostBytes, others have few letters.
const (
	mostLabel  = 96
	mostBytes  = 40_000
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
