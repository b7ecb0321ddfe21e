package attribution

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// The moments of the host are its causes: those that samples share out do so among the kinds that run.
func TestHostMomentsAddUp(t *testing.T) {
	for seed := range uint64(1000) {
		tl := chaos.Devices(seed)
		a := Host(tl, Options{Arch: "amd64"})
		at := tl.Window.Start
		type place struct {
			kind result.CauseKind
			line int32
		}
		left := map[place]int64{}
		var all int64
		for _, c := range a.Host.Causes {
			left[place{c.Kind, c.Line.Number}] += c.Ns
			all += c.Ns
		}
		var sampled int64
		a.HostMoments(nil, func(m *Moment) {
			if m.Start != at || m.End <= at {
				t.Fatalf("seed %d: %+v after %d", seed, *m, at)
			}
			at = m.End
			all -= m.End - m.Start
			if m.Sampled {
				sampled += m.End - m.Start
				return
			}
			left[place{m.Kind, m.Line}] -= m.End - m.Start
		})
		for p, ns := range left {
			if ns < 0 {
				t.Fatalf("seed %d: %v has %d ns more than its cause", seed, p, -ns)
			}
			sampled -= ns
		}
		if at != tl.Window.End || all != 0 || sampled != 0 {
			t.Fatalf("seed %d: the moments end at %d, %d ns and %d ns of samples from their sums", seed, at, all, sampled)
		}
	}
}

// A moment of idle time names the operations around its gap, and a call that makes sense of it.
func TestIdleMomentsNameTheirSurroundings(t *testing.T) {
	calls, seen := 0, 0
	for seed := range uint64(500) {
		tl := chaos.Devices(seed)
		a := Host(tl, Options{Arch: "amd64"})
		plan := coverage.Of(tl)
		a.Devices(devices.Sum(tl, plan), plan)
		if a.GPU == nil {
			continue
		}
		ops := &tl.Devices[a.GPU.Busiest].Ops
		a.IdleMoments(nil, func(m *Moment) {
			seen++
			if m.Before >= 0 && ops.End[m.Before] > m.Start || m.Next >= 0 && ops.Start[m.Next] < m.End {
				t.Fatalf("seed %d: %+v lies inside of the operations around it", seed, *m)
			}
			for row := range ops.Start {
				if m.Before >= 0 && ops.End[row] <= m.Start && ops.End[row] > ops.End[m.Before] {
					t.Fatalf("seed %d: operation %d ends later before %+v", seed, row, *m)
				}
			}
			if m.Call < 0 {
				return
			}
			calls++
			if class := tl.Calls.Class[m.Call]; m.Kind == result.CauseSyncRefill && class != timeline.CallSync && class != timeline.CallCopy {
				t.Fatalf("seed %d: %+v is explained by a call of class %d", seed, *m, class)
			}
		})
	}
	if seen < 1000 || calls < 100 {
		t.Errorf("only %d moments, %d calls", seen, calls)
	}
}
