package attribution

import (
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// span collects the union of intervals that come by their start, cut into blocks.
type span struct {
	cut    cutter
	at     int64
	blocks [Blocks]int64
}

func (u *span) add(start, end int64) {
	for t := max(start, u.at); t < end; {
		piece, until := u.cut.next(t, end)
		if piece >= 0 {
			u.blocks[piece] += until - t
		}
		t = until
	}
	u.at = max(u.at, end)
}

// busy fills the shares of the wall, idle time included.
func (s *idleSweep) busy(g *GPU) {
	w := s.tl.Extent
	fresh := func() span { return span{cut: s.cutter(), at: w.Start} }
	kernels, copies, own, all := fresh(), fresh(), fresh(), fresh()
	hiddenKernels, hiddenCopies, hidden := fresh(), fresh(), fresh()
	working, reached := s.working(), 0
	for i, start := range s.ops.Start {
		end := min(s.ops.End[i], w.End)
		all.add(start, end)
		if s.carried[i] {
			continue
		}
		own.add(start, end)
		behind := reached
		reached = hidden.addWithin(working, behind, start, end)
		if s.ops.Kind[i] == timeline.OpKernel {
			kernels.add(start, end)
			hiddenKernels.addWithin(working, behind, start, end)
		} else {
			copies.add(start, end)
			hiddenCopies.addWithin(working, behind, start, end)
		}
	}
	worked := make([][NumShares]int64, s.pieces)
	for b := range worked {
		worked[b][ShareKernels] = own.blocks[b] - copies.blocks[b]
		worked[b][ShareCopies] = own.blocks[b] - kernels.blocks[b]
		worked[b][ShareOverlap] = kernels.blocks[b] + copies.blocks[b] - own.blocks[b]
		worked[b][ShareCarryIn] = all.blocks[b] - own.blocks[b]
	}
	for b := range worked {
		onlyKernels, onlyCopies := hidden.blocks[b]-hiddenCopies.blocks[b], hidden.blocks[b]-hiddenKernels.blocks[b]
		both := hiddenKernels.blocks[b] + hiddenCopies.blocks[b] - hidden.blocks[b]
		worked[b][ShareKernels] -= onlyKernels
		worked[b][ShareCopies] -= onlyCopies
		worked[b][ShareOverlap] -= both
		worked[b][ShareHiddenKernels] += onlyKernels + both
		worked[b][ShareHiddenCopies] += onlyCopies
	}
	if !s.plan.Whole() {
		s.estimateWork(worked)
	}
	g.Blocks = worked
	for b := range g.Blocks {
		for k, ns := range s.blockKinds[b] {
			g.Blocks[b][k] += ns
		}
		for k, ns := range g.Blocks[b] {
			g.Shares[k] += ns
		}
	}
}

// results lists the causes of the idle time and what the picture needs of them.
func (s *idleSweep) results(a *Attribution) {
	g := a.GPU
	g.Idle = result.Idle{TotalNs: s.totalNs, Range: s.seen.Idle, Causes: []result.Cause{}}
	type place struct {
		kind result.CauseKind
		line int32
	}
	host := map[place]*result.Cause{}
	for i := range a.Host.Causes {
		c := &a.Host.Causes[i]
		host[place{c.Kind, c.Line.Number}] = c
	}
	for _, l := range s.lines {
		for k, ns := range l.kinds {
			if ns == 0 {
				continue
			}
			c := result.Cause{Kind: idleKinds[k], Ns: ns, Share: share(ns, g.WallNs), Line: s.a.line(l.number), Count: l.counts[k],
				Detail: s.detail(idle(k), l.proofs[k].proof, ns), Range: l.within(idle(k))}
			of := c.Kind
			if key := l.proofs[k].proof.group.unpack(); idle(k) == iLoading && l.proofs[k].proof.group != 0 && !key.sample {
				of = kinds[key.kind] // how it waited for the worker
			}
			if h := host[place{of, l.number}]; h != nil && h.Thread != "" {
				c.Thread, c.Detail = h.Thread, h.Detail
			}
			g.Idle.Causes = append(g.Idle.Causes, c)
		}
	}
	rank := map[result.CauseKind]int{}
	for i, k := range idleKinds {
		rank[k] = i
	}
	slices.SortStableFunc(g.Idle.Causes, func(x, y result.Cause) int {
		if c := largestFirst(x, y); c != 0 {
			return c
		}
		if x.Line.Number != y.Line.Number {
			return int(x.Line.Number) - int(y.Line.Number)
		}
		return rank[x.Kind] - rank[y.Kind]
	})
	s.picture(g)
}

// detail puts the proof of a cause in words.
func (s *idleSweep) detail(k idle, p proof, ns int64) string {
	if len(s.code[k]) > 0 {
		if most := s.largest(k, ns); most != "" {
			return most
		}
	}
	if p.call != 0 {
		name := s.tl.Names.String(p.call)
		if k == iRefill {
			return "after " + name
		}
		return "in " + name
	}
	switch k {
	case iOutside:
		return "outside of what the trace shows, before the next launch"
	case iLaunch:
		return "from the launch to the operation's start"
	case iDependency:
		return "launched, and waited for an event of another stream"
	case iDeviceWait:
		return "launched, and nothing tells why it did not begin"
	}
	if p.group == 0 {
		return ""
	}
	key := p.group.unpack()
	if k == iLoading {
		where := s.a.frames.name(key.fn)
		switch {
		case !key.sample && where != "":
			return "waiting in " + where
		case !key.sample:
			return "waiting for a worker"
		case where != "":
			return "running " + where
		}
		return "running in this process"
	}
	return s.a.detail(key)
}

// picture keeps, a column, the cause that filled most of its idle time.
func (s *idleSweep) picture(g *GPU) {
	g.Columns = make([]IdleColumn, len(s.filled))
	for i := range s.filled {
		f := &s.filled[i]
		f.kinds[s.mostly(f.lines.line)] += f.shared
		best := 0
		for k, ns := range f.kinds {
			g.Columns[i].Ns += ns
			if ns > f.kinds[best] {
				best = k
			}
		}
		if f.kinds[best] > 0 {
			g.Columns[i].Kind, g.Columns[i].Line = idleKinds[best], f.lines.line
		}
	}
}

// unsureShare is the share of a cause's time on a line from which on the line itself is in doubt.
const unsureShare = 0.1

// LineUnsure says that idle time of a cause is on a line because the nearest sample was there, where line
// events were off and no call like those tells better: it may belong to a line beside it. It may be asked of
// a cell without GPU.
func (a *Attribution) LineUnsure(k result.CauseKind, line int32) bool {
	if a.idle == nil {
		return false
	}
	n, ok := a.idle.byLine[line]
	if !ok || line == 0 {
		return false
	}
	var all, unsure int64
	for of, kind := range idleKinds {
		if kind == k {
			all += a.idle.lines[n].seen[of]
			unsure += a.idle.lines[n].unsure[of]
		}
	}
	return float64(unsure) > unsureShare*float64(all)
}

// IdleByKind sums the causes of the idle time by kind, largest first; the line,
// thread and detail are those of the largest part.
func (g *GPU) IdleByKind() []result.Cause {
	out := []result.Cause{}
	index := map[result.CauseKind]int{}
	for _, c := range g.Idle.Causes {
		if i, ok := index[c.Kind]; ok {
			out[i].Ns += c.Ns
			out[i].Count += c.Count
			out[i].Share = share(out[i].Ns, g.WallNs)
			continue
		}
		c.Range = result.Range{} // it is that of one line
		index[c.Kind] = len(out)
		out = append(out, c)
	}
	slices.SortStableFunc(out, largestFirst)
	return out
}
