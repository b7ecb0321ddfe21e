package attribution

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// The pieces are what the sums were made of: by line, by state, and by cause of idle time.
func TestPiecesAddUp(t *testing.T) {
	idle := 0
	for seed := range uint64(1000) {
		tl := chaos.Devices(seed)
		if seed%4 == 0 {
			tl = chaos.Windows(seed)
		}
		a := Host(tl, Options{Arch: "amd64"})
		plan := coverage.Of(tl)
		a.Devices(devices.Sum(tl, plan), plan)
		host(t, seed, a)
		if a.GPU == nil {
			a.IdlePieces(func(IdlePiece) { t.Fatalf("seed %d: idle time without a device", seed) })
			continue
		}
		idle += idlePieces(t, seed, a)
	}
	if idle < 1000 {
		t.Errorf("only %d pieces of idle time", idle)
	}
}

func host(t *testing.T, seed uint64, a *Attribution) {
	at := a.from.tl.Window.Start
	var states result.States
	lines := map[int32]int64{}
	a.Pieces(a.from.mainID, func(p Piece) {
		if p.Start != at || p.End <= at {
			t.Fatalf("seed %d: a piece %+v after %d", seed, p, at)
		}
		at = p.End
		lines[p.Line] += p.End - p.Start
		switch p.State {
		case StateRunning:
			states.RunningNs += p.End - p.Start
		case StateRunnable:
			states.RunnableNs += p.End - p.Start
		case StateBlocked:
			states.BlockedNs[p.Reason] += p.End - p.Start
		default:
			states.UnknownNs += p.End - p.Start
		}
	})
	if at != a.from.tl.Window.End || states != a.Host.States {
		t.Fatalf("seed %d: the pieces end at %d with %+v, the sums are %+v", seed, at, states, a.Host.States)
	}
	for _, l := range a.Host.Lines {
		if lines[l.Line.Number] != l.WallNs {
			t.Fatalf("seed %d: line %d has %d ns in pieces, %d in sum", seed, l.Line.Number, lines[l.Line.Number], l.WallNs)
		}
	}
	gpu := map[int32]int64{}
	byCall := a.CallLines()
	for _, d := range a.from.tl.Devices {
		for row, call := range d.Ops.Call {
			if call >= 0 {
				gpu[byCall[call]] += d.Ops.End[row] - d.Ops.Start[row]
			}
		}
	}
	for _, l := range a.Host.Lines {
		if whole := a.GPU == nil || a.GPU.Coverage == nil; whole && gpu[l.Line.Number] != l.GPUNs {
			t.Fatalf("seed %d: line %d has %d ns of the device by calls, %d in sum", seed, l.Line.Number, gpu[l.Line.Number], l.GPUNs)
		}
	}
}

func idlePieces(t *testing.T, seed uint64, a *Attribution) int {
	var total, at int64
	exact := map[result.CauseKind]int64{}
	type place struct {
		kind result.CauseKind
		line int32
	}
	known := map[place]bool{}
	for _, c := range a.GPU.Idle.Causes {
		known[place{c.Kind, c.Line.Number}] = true
	}
	n := 0
	classes, all := map[int]IdlePiece{}, map[IdlePiece]bool{}
	a.IdlePieces(func(p IdlePiece) {
		of := p
		of.Start, of.End = 0, 0
		if first, ok := classes[p.Class]; ok && first != of {
			t.Fatalf("seed %d: %+v and %+v are of one class", seed, first, of)
		}
		classes[p.Class], of.Class = of, 0
		all[of] = true
		if p.Start < at || p.End <= p.Start {
			t.Fatalf("seed %d: a piece %+v after %d", seed, p, at)
		}
		if a.GPU.Coverage == nil && !known[place{p.Kind, p.Line}] {
			t.Fatalf("seed %d: a piece %+v of a cause that the line does not have", seed, p)
		}
		n++
		at = p.End
		total += p.End - p.Start
		if !p.Sampled {
			exact[p.Kind] += p.End - p.Start
		}
	})
	if len(classes) != len(all) {
		t.Fatalf("seed %d: %d classes of %d different pieces", seed, len(classes), len(all))
	}
	if a.GPU.Coverage != nil { // then the sums are estimates
		return n
	}
	if total != a.GPU.Idle.TotalNs {
		t.Fatalf("seed %d: pieces %d ns, idle %d ns", seed, total, a.GPU.Idle.TotalNs)
	}
	for _, c := range a.GPU.IdleByKind() {
		if exact[c.Kind] > c.Ns {
			t.Fatalf("seed %d: %s has %d ns in pieces, %d in sum", seed, c.Kind, exact[c.Kind], c.Ns)
		}
	}
	for _, d := range a.from.tl.Devices[a.GPU.Busiest : a.GPU.Busiest+1] {
		overlapsNone(t, seed, a, &d.Ops)
	}
	return n
}

// overlapsNone wants every piece of idle time outside of every operation.
func overlapsNone(t *testing.T, seed uint64, a *Attribution, ops *timeline.Ops) {
	a.IdlePieces(func(p IdlePiece) {
		for i, start := range ops.Start {
			if start < p.End && ops.End[i] > max(start, p.Start) {
				t.Fatalf("seed %d: idle in %+v, busy in [%d, %d)", seed, p, start, ops.End[i])
			}
		}
	})
}
