package session

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/compare"
	"github.com/inferscope/inferscope/analysis/result"
)

// maxRan is of how many cells the last run is remembered; a result is some 100 KB, 1 MB at most.
const maxRan = 16

// ran are the last runs of the cells of this kernel that came to their end, the newest last.
type ran []struct {
	cell string // what the front end calls it; may be empty
	run  *result.Result
}

// since says what changed from the last run of a cell to this one, if it is wanted, and
// remembers this one in its place. A cell is the same by what the front end calls it, and
// by its source: one that was edited beyond recognition is another, and a copy of it is not.
func (l *ran) since(cell string, now *result.Result, wanted bool) *result.Change {
	if now.Cell.Outcome != "ok" {
		return nil
	}
	at := -1
	for i, one := range slices.Backward(*l) {
		if !compare.Related(compare.Source(one.run), compare.Source(now)) {
			continue
		}
		if at < 0 {
			at = i
		}
		if cell != "" && one.cell == cell {
			at = i
			break
		}
	}
	var change *result.Change
	if at >= 0 {
		if wanted {
			change = compare.Since((*l)[at].run, now)
		}
		if one := (*l)[at]; one.cell == cell {
			*l = slices.Delete(*l, at, at+1)
		}
	}
	*l = append(*l, struct {
		cell string
		run  *result.Result
	}{cell, now})
	if len(*l) > maxRan {
		*l = slices.Delete(*l, 0, len(*l)-maxRan)
	}
	return change
}
