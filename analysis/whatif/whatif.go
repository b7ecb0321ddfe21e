// Package whatif says what changes to a cell that gave a device work would save: it puts
// causes of idle time, which attribution finds, as changes to the replay of the cell, and
// what that predicts as savings.
package whatif

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Model predicts for one cell. It is immutable; of nil only Refused and Error may be asked.
type Model struct {
	tl      *timeline.Timeline
	a       *attribution.Attribution
	graph   *replay.Graph // nil where nothing is predicted
	refused string
	err     float64
}

// Of predicts for the cell of an attribution whose Devices ran, by the graph that replay.Of
// makes of tl. It is nil for a cell that gave no device work: such a cell is one chain of its
// main thread, from which time may be subtracted.
func Of(tl *timeline.Timeline, a *attribution.Attribution, g *replay.Graph) *Model {
	if !a.GPU.Owned() {
		return nil
	}
	m := &Model{tl: tl, a: a, refused: replay.Refused(tl)}
	if m.refused == "" && lost(tl, a) > maxLost {
		m.refused = "records of the GPU's work were lost, so the chain of what waited for what is not whole"
	}
	if m.refused != "" {
		return m
	}
	m.err = g.IdentityError()
	if m.refused = g.Distrusted(); m.refused == "" {
		m.graph = g
	}
	return m
}

// maxLost is the share of lost records of the device beyond which the replay is not asked.
const maxLost = 0.001

// lost is the share of the records of calls and operations that were lost.
func lost(tl *timeline.Timeline, a *attribution.Attribution) float64 {
	var n int64
	for _, l := range tl.Losses {
		if l.Source == "cupti" {
			n += max(l.Count, 0)
		}
	}
	return float64(n) / float64(max(a.DeviceRecords+n, 1))
}

// Estimates says that something is known of what a repair saves beyond that it is no more than a time: by replay,
// or by what the windows of a capture tell of the whole cell.
func (m *Model) Estimates() bool { return m != nil && (m.graph != nil || m.windows()) }

// windows says that the capture was not whole, and its windows tell of the rest.
func (m *Model) windows() bool { return m.graph == nil && m.a.GPU.Coverage != nil }

// Refused says in a clause why nothing is predicted; empty when something is.
func (m *Model) Refused() string {
	if m == nil {
		return ""
	}
	return m.refused
}

// Error is how far the unchanged replay is off, as a share of the wall; 0 where there is none.
func (m *Model) Error() float64 {
	if m == nil {
		return 0
	}
	return m.err
}

// EventWaits tells, for each kernel that an event behind a kernel of another stream held up, the call that launched
// it and for how long, in ns: from when nothing else did. Where nothing is predicted it tells of none.
func (m *Model) EventWaits(each func(call int32, ns int64)) {
	if m != nil && m.graph != nil {
		m.graph.EventWaits(each)
	}
}

// Side is what would be saved if one of the sides of a cell cost nothing.
type Side struct {
	Saving result.Saving
	// Blocks sum to Saving.HighNs: the part of each of attribution.Blocks equal pieces of the wall.
	Blocks []int64
}

// Sides are kernels, copies (sets included), and what the host's threads do of their own. The
// host never saves more than the idle time: operations that only the host kept from running at
// once would slow each other down. What tracing held up is not the host's.
type Sides struct{ Kernels, Copies, Host Side }

// Sides replays the cell without each of its sides; nil where nothing is predicted.
func (m *Model) Sides() *Sides {
	if m == nil || m.graph == nil {
		return nil
	}
	s := &Sides{}
	changes := []struct {
		side *Side
		replay.Change
	}{{&s.Kernels, replay.Change{Kernels: true}}, {&s.Copies, replay.Change{Copies: true}}, {&s.Host, replay.Change{Host: true}}}
	each(len(changes), func(i int) {
		p, blocks := m.graph.Saved(&changes[i].Change, attribution.Blocks)
		*changes[i].side = Side{m.saving(p), blocks}
	})
	limit := m.a.GPU.Idle.TotalNs
	for _, c := range m.a.GPU.Idle.Causes {
		if c.Kind == result.CauseProfiler {
			limit -= c.Ns
		}
	}
	s.Host.atMost(limit)
	return s
}

// atMost lowers what a side saves to a limit, of each block alike.
func (s *Side) atMost(ns int64) {
	was := s.Saving.HighNs
	if was <= ns {
		return
	}
	s.Saving = result.Saving{LowNs: min(s.Saving.LowNs, ns), HighNs: ns}
	var sum int64
	for i := range s.Blocks {
		s.Blocks[i] = int64(float64(s.Blocks[i]) * float64(ns) / float64(was))
		sum += s.Blocks[i]
	}
	s.Blocks[len(s.Blocks)-1] += ns - sum
}

// saving is what a prediction leaves of the observed wall.
func (m *Model) saving(p replay.Prediction) result.Saving {
	wall := m.graph.ObservedNs()
	return result.Saving{LowNs: wall - p.HighNs, HighNs: wall - p.LowNs}
}

// each calls f for 0..n-1 on a few goroutines and returns when all are done.
func each(n int, f func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0), maxWorkers) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wait.Wait()
}

// maxWorkers is how many replays run at once: each may have a list of all idle time.
const maxWorkers = 4
