package compare

import (
	"cmp"
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// counts are the lines of the source that were edited, added and removed, the empty ones aside.
func (p pairing) counts(before, after []string) (edited, added, removed int) {
	for i, text := range trimmed(before) {
		switch to := p.after[i+1]; {
		case to == 0 && text != "":
			removed++
		case to != 0 && p.edited[i+1]:
			edited++
		}
	}
	for j, text := range trimmed(after) {
		if p.before[j+1] == 0 && text != "" {
			added++
		}
	}
	return edited, added, removed
}

// there is the line after of line n before; here is the reverse. 0 for none, also for what is
// no line. A line behind the end of both sources, of which no text is known, is the same on both.
func (p pairing) there(n int32) int32 { return at(p.after, p.before, n) }
func (p pairing) here(n int32) int32  { return at(p.before, p.after, n) }

func at(list, other []int32, n int32) int32 {
	switch {
	case n < 1:
		return 0
	case int(n) < len(list):
		return list[n]
	case int(n) < len(other):
		return 0
	}
	return n
}

// match says how line n before was found after.
func (p pairing) match(n int32) result.LineMatch {
	if n >= 1 && int(n) < len(p.edited) && p.edited[n] {
		return result.EditedLine
	}
	return result.SameLine
}

// known is line n of a run, with its text as far as there is one.
func known(r *result.Result, n int32, file string) result.Line {
	l := result.Line{File: file, Number: n}
	if int(n) <= len(r.Cell.Lines) {
		l.Text = r.Cell.Lines[n-1]
	}
	return l
}

// lines lists every line that was seen on either side. Their times sum to the wall: what
// no line has is the time outside of them.
func lines(x, y *result.Result, p pairing, noise int64) []result.LineChange {
	before, after := statsOf(x), statsOf(y)
	out := []result.LineChange{}
	for n, b := range before {
		to := p.there(n)
		c := result.LineChange{Match: result.RemovedLine, Before: b.Line}
		var a result.LineStat
		if to != 0 {
			c.Match, c.After = p.match(n), known(y, to, b.Line.File)
			a = after[to]
		}
		out = append(out, fill(c, b, a, noise))
	}
	for n, a := range after {
		from := p.here(n)
		c := result.LineChange{Match: result.AddedLine, After: a.Line}
		if from != 0 {
			if _, seen := before[from]; seen {
				continue
			}
			c.Match, c.Before = p.match(from), known(x, from, a.Line.File)
		}
		out = append(out, fill(c, result.LineStat{}, a, noise))
	}
	b, a := outside(x, before), outside(y, after)
	if rest := fill(result.LineChange{Match: result.OutsideLines}, b, a, noise); rest.Wall != (result.Delta{}) || len(rest.Causes) > 0 {
		out = append(out, rest)
	}
	slices.SortFunc(out, func(a, b result.LineChange) int {
		return cmp.Or(larger(a.Wall, b.Wall), cmp.Compare(place(a), place(b)), cmp.Compare(a.Before.Number, b.Before.Number))
	})
	return out
}

// place is where a line stands in a list of lines of both sides.
func place(c result.LineChange) int32 { return max(c.After.Number, c.Before.Number) }

// statsOf are the lines of the cell by number.
func statsOf(r *result.Result) map[int32]result.LineStat {
	out := map[int32]result.LineStat{}
	for _, s := range r.Host.Lines {
		if n := s.Line.Number; n >= 1 {
			out[n] = s
		}
	}
	return out
}

// outside is the time of a run in which none of its lines was executing.
func outside(r *result.Result, lines map[int32]result.LineStat) result.LineStat {
	rest := result.LineStat{WallNs: r.WallNs}
	kinds := map[result.CauseKind]int64{}
	for _, c := range r.Host.ByKind {
		kinds[c.Kind] += c.Ns
	}
	for _, s := range lines {
		rest.WallNs -= s.WallNs
		for _, c := range s.Causes {
			kinds[c.Kind] -= c.Ns
		}
	}
	for k, ns := range kinds {
		rest.Causes = append(rest.Causes, result.Cause{Kind: k, Ns: ns})
	}
	return rest
}

func fill(c result.LineChange, b, a result.LineStat, noise int64) result.LineChange {
	c.Wall = result.Delta{Before: b.WallNs, After: a.WallNs}
	c.Beyond = size(c.Wall) > noise
	c.Hits = result.Delta{Before: b.Hits, After: a.Hits}
	c.GPUTime = result.Delta{Before: b.GPUNs, After: a.GPUNs}
	c.IdleCaused = result.Delta{Before: b.IdleCausedNs, After: a.IdleCausedNs}
	c.Causes = kinds(b.Causes, a.Causes, c.Wall)
	return c
}

// kinds sums causes by kind; what they leave of the total is not known.
func kinds(before, after []result.Cause, total result.Delta) []result.KindChange {
	sums := map[result.CauseKind]*result.Delta{}
	of := func(k result.CauseKind) *result.Delta {
		if sums[k] == nil {
			sums[k] = &result.Delta{}
		}
		return sums[k]
	}
	for _, c := range before {
		of(c.Kind).Before += c.Ns
		total.Before -= c.Ns
	}
	for _, c := range after {
		of(c.Kind).After += c.Ns
		total.After -= c.Ns
	}
	if total != (result.Delta{}) {
		of(result.CauseUnknown).Before += total.Before
		of(result.CauseUnknown).After += total.After
	}
	out := []result.KindChange{}
	for k, d := range sums {
		if *d != (result.Delta{}) {
			out = append(out, result.KindChange{Kind: k, Time: *d})
		}
	}
	slices.SortFunc(out, func(a, b result.KindChange) int {
		return cmp.Or(larger(a.Time, b.Time), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// causes sums causes by kind, each with the line on which it changed most.
func causes(before, after []result.Cause, total result.Delta, p pairing, x, y *result.Result, noise int64) []result.CauseChange {
	type key struct {
		kind          result.CauseKind
		before, after int32
	}
	byLine := map[key]*result.Delta{}
	of := func(k key) *result.Delta {
		if byLine[k] == nil {
			byLine[k] = &result.Delta{}
		}
		return byLine[k]
	}
	for _, c := range before {
		of(key{c.Kind, c.Line.Number, p.there(c.Line.Number)}).Before += c.Ns
	}
	for _, c := range after {
		of(key{c.Kind, p.here(c.Line.Number), c.Line.Number}).After += c.Ns
	}
	out := []result.CauseChange{}
	for _, k := range kinds(before, after, total) {
		c := result.CauseChange{KindChange: k, Beyond: size(k.Time) > noise}
		most := key{}
		for at, d := range byLine {
			sign := int64(1)
			if k.Time.Diff() < 0 {
				sign = -1
			}
			if at.kind != k.Kind || at.before <= 0 && at.after <= 0 || d.Diff()*sign <= 0 {
				continue
			}
			if d.Diff()*sign > c.LineTime.Diff()*sign || size(*d) == size(c.LineTime) && (at.after < most.after || at.after == most.after && at.before < most.before) {
				most, c.LineTime = at, *d
			}
		}
		c.Line = lineOf(most.before, most.after, x, y)
		out = append(out, c)
	}
	return out
}

// lineOf is a line as it is after, or before where it was removed.
func lineOf(before, after int32, x, y *result.Result) result.Line {
	r, n := y, after
	if n <= 0 {
		r, n = x, before
	}
	if n < 1 {
		return result.Line{}
	}
	return known(r, n, timeline.CellFile)
}

func devices(x, y *result.Result) []result.DeviceChange {
	out := []result.DeviceChange{}
	of := func(d result.Device) *result.DeviceChange {
		for i := range out {
			if out[i].Index == d.Index {
				return &out[i]
			}
		}
		out = append(out, result.DeviceChange{Index: d.Index, Name: d.Name})
		return &out[len(out)-1]
	}
	for _, d := range x.Devices {
		c := of(d)
		c.Busy.Before, c.Idle.Before, c.Kernels.Before, c.Memcpys.Before = d.BusyNs, d.CellIdleNs, d.Kernels, d.Memcpys
	}
	for _, d := range y.Devices {
		c := of(d)
		c.Name = d.Name
		c.Busy.After, c.Idle.After, c.Kernels.After, c.Memcpys.After = d.BusyNs, d.CellIdleNs, d.Kernels, d.Memcpys
	}
	slices.SortFunc(out, func(a, b result.DeviceChange) int { return cmp.Compare(a.Index, b.Index) })
	return out
}

// kernels are the listed kernels of all devices, and one entry for the others.
func kernels(x, y *result.Result) (total result.Delta, list []result.KernelChange) {
	byName := map[string]*result.KernelChange{}
	of := func(name string) *result.KernelChange {
		if byName[name] == nil {
			byName[name] = &result.KernelChange{Name: name}
		}
		return byName[name]
	}
	var count result.Delta
	for _, d := range x.Devices {
		total.Before += d.KernelSumNs
		count.Before += d.Kernels
		for _, k := range d.TopKernels {
			if k.Name == "" {
				continue // one of the others
			}
			c := of(k.Name)
			c.ListedBefore, c.Time.Before, c.Count.Before = true, c.Time.Before+k.Ns, c.Count.Before+k.Count
		}
	}
	for _, d := range y.Devices {
		total.After += d.KernelSumNs
		count.After += d.Kernels
		for _, k := range d.TopKernels {
			if k.Name == "" {
				continue // one of the others
			}
			c := of(k.Name)
			c.ListedAfter, c.Time.After, c.Count.After = true, c.Time.After+k.Ns, c.Count.After+k.Count
		}
	}
	rest := of("")
	rest.Time.Before, rest.Time.After = rest.Time.Before+total.Before, rest.Time.After+total.After
	rest.Count.Before, rest.Count.After = rest.Count.Before+count.Before, rest.Count.After+count.After
	list = []result.KernelChange{}
	for name, k := range byName {
		if name != "" {
			rest.Time.Before, rest.Time.After = rest.Time.Before-k.Time.Before, rest.Time.After-k.Time.After
			rest.Count.Before, rest.Count.After = rest.Count.Before-k.Count.Before, rest.Count.After-k.Count.After
			list = append(list, *k)
		}
	}
	if rest.Time != (result.Delta{}) || rest.Count != (result.Delta{}) {
		list = append(list, *rest)
	}
	slices.SortFunc(list, func(a, b result.KernelChange) int {
		return cmp.Or(larger(a.Time, b.Time), cmp.Compare(a.Name, b.Name))
	})
	return total, list
}

func copies(x, y *result.Result) []result.CopyChange {
	out := []result.CopyChange{}
	of := func(k result.Copy) *result.CopyChange {
		for i := range out {
			if c := &out[i]; c.Kind == k.Kind && c.Source == k.Source && c.Target == k.Target {
				return c
			}
		}
		out = append(out, result.CopyChange{Kind: k.Kind, Source: k.Source, Target: k.Target})
		return &out[len(out)-1]
	}
	for _, d := range x.Devices {
		for _, k := range d.Copies {
			c := of(k)
			c.Count.Before, c.Time.Before, c.Bytes.Before = c.Count.Before+k.Count, c.Time.Before+k.Ns, c.Bytes.Before+k.Bytes
		}
	}
	for _, d := range y.Devices {
		for _, k := range d.Copies {
			c := of(k)
			c.Count.After, c.Time.After, c.Bytes.After = c.Count.After+k.Count, c.Time.After+k.Ns, c.Bytes.After+k.Bytes
		}
	}
	slices.SortFunc(out, func(a, b result.CopyChange) int {
		return cmp.Or(larger(a.Time, b.Time), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
	return out
}

// findings matches findings by rule and line. What only informs, as that nothing is wrong, is no finding here.
func findings(x, y *result.Result, p pairing) (gone, fresh, kept []result.Finding) {
	gone, fresh, kept = []result.Finding{}, []result.Finding{}, []result.Finding{}
	taken := make([]bool, len(x.Findings))
	for _, f := range y.Findings {
		if f.Severity == result.Info {
			continue
		}
		at := -1
		for i, o := range x.Findings {
			sameLine := f.Line.Number <= 0 && o.Line.Number <= 0 || f.Line.Number > 0 && p.here(f.Line.Number) == o.Line.Number
			if !taken[i] && o.ID == f.ID && o.Severity != result.Info && sameLine {
				at = i
				break
			}
		}
		if at < 0 {
			fresh = append(fresh, f)
			continue
		}
		taken[at] = true
		kept = append(kept, f)
	}
	for i, f := range x.Findings {
		if !taken[i] && f.Severity != result.Info {
			gone = append(gone, f)
		}
	}
	return gone, fresh, kept
}
