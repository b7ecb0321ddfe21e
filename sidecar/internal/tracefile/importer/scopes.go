package importer

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// textKind is what the name of a stretch says of it.
type textKind uint8

const (
	textUnknown textKind = iota // not looked at yet
	textUser
	textStep
	textLoader
	textOperator
)

// operatorPrefixes begin the names of stretches that frameworks mark by themselves.
var operatorPrefixes = []string{"aten::", "autograd::", "torch::", "prims::", "c10d::", "nccl:", "gloo:", "mpi:",
	"Optimizer.", "DistributedDataParallel.", "FullyShardedDataParallel.", "FSDP::", "Torch-Compiled Region"}

func kindOfText(name string) textKind {
	if strings.HasPrefix(name, stepPrefix) {
		return textStep
	}
	if strings.HasPrefix(name, "enumerate(DataLoader)") {
		return textLoader
	}
	for _, p := range operatorPrefixes {
		if strings.HasPrefix(name, p) {
			return textOperator
		}
	}
	return textUser
}

func (a *Assembly) textKind(name timeline.NameID) textKind {
	for int(name) >= len(a.kinds) {
		a.kinds = append(a.kinds, make([]textKind, int(name)+1)...)
	}
	if a.kinds[name] == textUnknown {
		a.kinds[name] = kindOfText(a.b.Text(name))
	}
	return a.kinds[name]
}

// addScopes gives the named stretches to the timeline, with their depth in the thread.
func (a *Assembly) addScopes() {
	slices.SortStableFunc(a.scopes, func(x, y scope) int {
		return cmp.Or(cmp.Compare(x.thread.b.ID(), y.thread.b.ID()), cmp.Compare(x.start, y.start), cmp.Compare(y.end, x.end))
	})
	var open []int64
	for i, s := range a.scopes {
		if i > 0 && a.scopes[i-1].thread != s.thread {
			open = open[:0]
		}
		for len(open) > 0 && open[len(open)-1] <= s.start {
			open = open[:len(open)-1]
		}
		s.thread.b.AppendScope(s.start, s.end, s.name, uint16(min(len(open), math.MaxUint16)))
		open = append(open, s.end)
	}
}

// findStep is the first stretch of the name that was asked for, or the step of that number.
func (a *Assembly) findStep() (scope, error) {
	var best scope
	found := false
	for _, wanted := range []string{stepPrefix + a.opts.Step, a.opts.Step} {
		for _, s := range a.scopes {
			if a.b.Text(s.name) == wanted && (!found || s.start < best.start) {
				best, found = s, true
			}
		}
		if found {
			return best, nil
		}
	}
	return scope{}, a.noStep()
}

// maxNamed is how many steps an error lists.
const maxNamed = 8

// noStep lists the steps, or, where there are none, the other stretches.
func (a *Assembly) noStep() error {
	missing := &NotThere{What: "step", Asked: a.opts.Step}
	for _, kind := range []textKind{textStep, textUser} {
		listed := map[timeline.NameID]bool{}
		for _, s := range a.scopes {
			if a.textKind(s.name) != kind || listed[s.name] {
				continue
			}
			listed[s.name] = true
			if len(missing.Have) < maxNamed {
				missing.Have = append(missing.Have, quoted(a.b.Text(s.name)))
			}
		}
		if missing.Count = len(listed); missing.Count > 0 {
			break
		}
	}
	return missing
}

// quoted is a name of the trace fit for a sentence.
func quoted(name string) string {
	if r := []rune(name); len(r) > 60 {
		name = string(r[:59]) + "…"
	}
	return "\"" + name + "\""
}
