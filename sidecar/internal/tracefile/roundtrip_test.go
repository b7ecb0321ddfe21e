package tracefile_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/chrome"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// reopened is an input written as Chrome's JSON and read by the importer of PyTorch's traces.
func reopened(t *testing.T, in track.Input) *importer.Imported {
	t.Helper()
	var b bytes.Buffer
	if err := chrome.Write(&b, in); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cell.json")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := tracefile.Open(context.Background(), path, importer.Whole())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// work lists what the devices and the calls of a timeline are, with times since its window began.
func work(tl *timeline.Timeline) map[string]int {
	out := map[string]int{}
	call := func(row int32) string {
		if row < 0 {
			return "no call"
		}
		return fmt.Sprintf("%s %d+%d", tl.Names.String(tl.Calls.Name[row]), tl.Calls.Start[row]-tl.Window.Start, tl.Calls.End[row]-tl.Calls.Start[row])
	}
	for row := range tl.Calls.Start {
		out[fmt.Sprintf("%s of %q", call(int32(row)), tl.Threads[tl.Calls.Thread[row]].Name)]++
	}
	for _, d := range tl.Devices {
		for i, start := range d.Ops.Start {
			out[fmt.Sprintf("%d %s: %s %d+%d, stream %d, %d bytes %s %s %s, by %s", d.Index, d.Name, tl.Names.String(d.Ops.Name[i]), start-tl.Window.Start,
				d.Ops.End[i]-start, d.Ops.Stream[i], d.Ops.Bytes[i], d.Ops.Copy[i], d.Ops.Source[i], d.Ops.Target[i], call(d.Ops.Call[i]))]++
		}
	}
	for _, th := range tl.Threads {
		for i, start := range th.Scopes.Start {
			if name := tl.Names.String(th.Scopes.Name[i]); name == "batch" || name == "decode" {
				out[fmt.Sprintf("scope %s %d+%d", name, start-tl.Window.Start, th.Scopes.End[i]-start)]++
			}
		}
	}
	return out
}

// What is exported for tools of PyTorch's traces is read as what it was.
func TestChromeIsReadBack(t *testing.T) {
	in := tracetest.Everything()
	got := reopened(t, in)
	if got.Kind != "kineto" {
		t.Errorf("it is read as %s", got.Kind)
	}
	if got.Timeline.Threads[got.Timeline.Main()].Name != "MainThread" {
		t.Errorf("the main thread is %q", got.Timeline.Threads[got.Timeline.Main()].Name)
	}
	want, have := work(in.Timeline), work(got.Timeline)
	for what, n := range want {
		// On a lane of its own, a call is one of a thread that there was not.
		if have[what] != n && what != `cudaFree 97000000+1000 of ""` && what != `cudaLaunchKernel 94000000+1000300 of "MainThread"` {
			t.Errorf("%d of %s, want %d", have[what], what, n)
		}
	}
	counters := func(tl *timeline.Timeline) (out []string) {
		for _, c := range tl.Counters {
			for i, at := range c.Time {
				out = append(out, fmt.Sprintf("%s %d: %v %s", c.Name, at-tl.Window.Start, c.Value[i], c.Unit))
			}
		}
		slices.Sort(out)
		return out
	}
	if was, is := counters(in.Timeline), counters(got.Timeline); len(was) == 0 || !slices.Equal(was, is) {
		t.Errorf("the counters are %q, want %q", is, was)
	}
	for _, th := range got.Timeline.Threads {
		for _, name := range th.Scopes.Name {
			if got.Timeline.Names.String(name) == "running" {
				t.Errorf("%s: the states of a thread are read as scopes", th.Name)
			}
		}
	}
}

// A trace of PyTorch's profiler that goes through the exporter keeps its work to the nanosecond.
func TestRealTracesAreReadBack(t *testing.T) {
	folder := tracesFolder(t)
	for _, name := range []string{"tl_h100_gaunernst_bert-small-uncased.json.gz", "hta_cp_event_sync_multistream_a100.json.gz"} {
		first, err := tracefile.Open(context.Background(), filepath.Join(folder, name), importer.Whole())
		if err != nil {
			t.Fatal(err)
		}
		second := reopened(t, track.Input{Timeline: first.Timeline})
		for i, d := range first.Timeline.Devices {
			again := second.Timeline.Devices[i].Ops
			if again.Len() != d.Ops.Len() || d.Ops.Len() == 0 {
				t.Fatalf("%s: GPU %d has %d operations, then %d", name, d.Index, d.Ops.Len(), again.Len())
			}
			shift := again.Start[0] - d.Ops.Start[0]
			launched, kept := 0, 0
			for row := range d.Ops.Start {
				if d.Ops.Start[row]+shift != again.Start[row] || d.Ops.End[row]+shift != again.End[row] {
					t.Fatalf("%s: operation %d is at other times", name, row)
				}
				if d.Ops.Call[row] >= 0 {
					launched++
				}
				if again.Call[row] >= 0 {
					kept++
				}
			}
			if kept != launched || launched == 0 {
				t.Errorf("%s: %d operations have their call, then %d", name, launched, kept)
			}
		}
	}
}
