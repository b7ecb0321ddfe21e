package tracefile_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
)

// The unchanged replay of real traces reproduces what they show: to half a percent, and to
// two where several host threads overlap.
func TestReplayOfRealTraces(t *testing.T) {
	folder := tracesFolder(t)
	for name, budget := range map[string]float64{
		"tb_resnet50_nw0_1623143089861_v100.json.gz":   0.005,
		"tb_resnet50_nw4_1623212756351_v100.json.gz":   0.005,
		"tb_old_resnet50_nw0_b.json.gz":                0.005,
		"tl_h100_gaunernst_bert-small-uncased.json.gz": 0.005,
		"hta_ns_resolution_v100_ddp.json.gz":           0.02,
		"hta_cp_event_sync_multistream_a100.json.gz":   0.005,
		"nsysai_h100_2gpu_1s.sqlite.gz":                0.02,
		"nsysai_healthy_1pct.sqlite.gz":                0.005,
	} {
		trace, err := tracefile.Open(context.Background(), filepath.Join(folder, name), importer.Whole())
		if err != nil {
			t.Fatal(err)
		}
		g := replay.Of(trace.Timeline)
		if g == nil {
			t.Errorf("%s: %s", name, replay.Refused(trace.Timeline))
			continue
		}
		if e := g.IdentityError(); e > budget {
			t.Errorf("%s: the replay is %.3f%% off, at most %.1f%% are allowed", name, e*100, budget*100)
		}
		wall := g.ObservedNs()
		for what, c := range map[string]replay.Change{"host": {Host: true}, "kernels": {Kernels: true}, "copies": {Copies: true}} {
			p := g.Predict(&c)
			if p.LowNs < 0 || p.LowNs > p.HighNs || p.HighNs > wall {
				t.Errorf("%s: without %s [%d, %d] of %d is no range", name, what, p.LowNs, p.HighNs, wall)
			}
			t.Logf("%s: identity %.4f%%, without %s %.1f%% to %.1f%% of the wall stays", name, g.IdentityError()*100, what,
				100*float64(p.LowNs)/float64(wall), 100*float64(p.HighNs)/float64(wall))
		}
	}
}

// Without its data loading, the program whose trace has no workers is predicted to be up to
// as fast as a range that holds what it took with four workers, or comes within a tenth of it.
func TestReplayWithoutDataLoading(t *testing.T) {
	const steps, with4Ns = 6, 141_068_000
	trace, err := tracefile.Open(context.Background(), filepath.Join(tracesFolder(t), "tb_resnet50_nw0_1623143089861_v100.json.gz"), importer.Whole())
	if err != nil {
		t.Fatal(err)
	}
	tl := trace.Timeline
	a := attribution.Host(tl, attribution.Options{})
	plan := coverage.Of(tl)
	a.Devices(devices.Sum(tl, plan), plan)
	var c replay.Change
	a.IdlePieces(func(p attribution.IdlePiece) {
		if p.Kind == result.CauseDataLoading {
			c.Removals = append(c.Removals, replay.Removal{Thread: p.Thread, Start: p.Start, End: p.End, Share: 1})
		}
	})
	g := replay.Of(tl)
	p := g.Predict(&c)
	low, high := p.LowNs/steps, p.HighNs/steps
	t.Logf("a step: %d ns observed, %d to %d predicted", g.ObservedNs()/steps, low, high)
	if high*10 < with4Ns*9 || low*10 > with4Ns*11 {
		t.Errorf("a step is predicted to take %d to %d ns, and took %d", low, high, with4Ns)
	}
}
