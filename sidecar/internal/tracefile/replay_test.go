package tracefile_test

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

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

// Savings of real traces are ranges within the time that their causes hold, and what-ifs within the wall.
func TestSavingsOfRealTraces(t *testing.T) {
	folder := tracesFolder(t)
	for _, name := range []string{"tb_resnet50_nw0_1623143089861_v100.json.gz", "tb_resnet50_nw4_1623212756351_v100.json.gz", "tb_old_resnet50_nw0_b.json.gz",
		"hta_ns_resolution_v100_ddp.json.gz", "nsysai_h100_2gpu_1s.sqlite.gz", "tl_h100_gaunernst_bert-small-uncased.json.gz"} {
		r := analyse(t, filepath.Join(folder, name), importer.Whole())
		for _, f := range r.Findings {
			if f.Saving.LowNs < 0 || f.Saving.LowNs > f.Saving.HighNs || f.Saving.HighNs > r.WallNs {
				t.Errorf("%s: %s saves %+v", name, f.ID, f.Saving)
			}
		}
		if len(r.WhatIf) < 2 || r.Unpredicted != "" {
			t.Errorf("%s: %d predictions, %q", name, len(r.WhatIf), r.Unpredicted)
		}
		for _, w := range r.WhatIf {
			if w.LowNs < 0 || w.LowNs > w.PredictedNs || w.PredictedNs > w.HighNs || w.HighNs > r.WallNs {
				t.Errorf("%s: %+v", name, w)
			}
		}
	}
}

// Two real runs of one program differ in the data loader alone: without workers a step took 177.6 ms, with four 141.1. The
// trace of the first predicts the second.
func TestStepWithoutDataLoading(t *testing.T) {
	const steps, measured = 6, 141_068_000
	r := analyse(t, filepath.Join(tracesFolder(t), "tb_resnet50_nw0_1623143089861_v100.json.gz"), importer.Whole())
	i := slices.IndexFunc(r.WhatIf, func(w result.WhatIf) bool { return w.Change == "prepare batches ahead" })
	if i < 0 {
		t.Fatalf("no prediction without data loading: %+v", r.WhatIf)
	}
	w := r.WhatIf[i]
	if step := w.PredictedNs / steps; math.Abs(float64(step-measured)) > 0.1*measured {
		t.Errorf("a step of %d ns is predicted, %d were measured", step, measured)
	}
	if w.LowNs > steps*measured || w.HighNs < steps*measured {
		t.Errorf("%d to %d ns a step are predicted, %d were measured", w.LowNs/steps, w.HighNs/steps, measured)
	}
	t.Logf("%.1f ms a step are predicted, %.1f to %.1f; 141.1 were measured", float64(w.PredictedNs)/steps/1e6, float64(w.LowNs)/steps/1e6, float64(w.HighNs)/steps/1e6)
}
