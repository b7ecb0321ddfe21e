package pprof_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/pprof"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

func write(t *testing.T, in track.Input) ([]byte, *profile.Profile) {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Write(&b, in); err != nil {
		t.Fatal(err)
	}
	p, err := profile.ParseData(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), p
}

// value is the index of a type of value.
func value(t *testing.T, p *profile.Profile, name string) int {
	for i, v := range p.SampleType {
		if v.Type == name {
			return i
		}
	}
	t.Fatalf("no value %q", name)
	return 0
}

// leafLine is the deepest line of the cell in a sample, 0 when there is none.
func leafLine(s *profile.Sample, cell string) int64 {
	for _, l := range s.Location {
		if l.Line[0].Function.Filename == cell {
			return l.Line[0].Line
		}
	}
	return 0
}

func TestSumsAreTheReports(t *testing.T) {
	inputs := []track.Input{tracetest.Everything()}
	for seed := range uint64(300) {
		inputs = append(inputs, tracetest.Random(seed))
	}
	for n, in := range inputs {
		_, p := write(t, in)
		a := track.Attribute(in)
		whole := len(coverage.Unseen(in.Timeline)) == 0
		if told := strings.Contains(strings.Join(p.Comments, " "), "only what was captured"); told == whole {
			t.Fatalf("%d: whole is %v, the comments are %q", n, whole, p.Comments)
		}
		wall, gpu := value(t, p, "wall"), value(t, p, "gpu")
		var total, onDevice, ran, runnable, unknown int64
		blocked := map[string]int64{}
		gpuByLine := map[int64]int64{}
		for _, s := range p.Sample {
			total += s.Value[wall]
			onDevice += s.Value[gpu]
			if s.Value[gpu] > 0 {
				gpuByLine[leafLine(s, in.Cell.Name)] += s.Value[gpu]
			}
			if s.Value[wall] == 0 {
				continue
			}
			switch s.Label["state"][0] {
			case "running":
				ran += s.Value[wall]
			case "runnable":
				runnable += s.Value[wall]
			case "blocked":
				blocked[s.Label["reason"][0]] += s.Value[wall]
			default:
				unknown += s.Value[wall]
			}
		}
		st := a.Host.States
		if total != in.Timeline.Window.Ns() || ran != st.RunningNs || runnable != st.RunnableNs || unknown != st.UnknownNs {
			t.Fatalf("%d: wall %d, running %d, runnable %d, unknown %d, want %+v", n, total, ran, runnable, unknown, st)
		}
		for r, ns := range st.BlockedNs {
			if blocked[timeline.Reason(r).String()] != ns {
				t.Fatalf("%d: blocked by %s for %d, want %d", n, timeline.Reason(r), blocked[timeline.Reason(r).String()], ns)
			}
		}
		var ops int64
		for _, d := range in.Timeline.Devices {
			for i, start := range d.Ops.Start {
				ops += d.Ops.End[i] - start
			}
		}
		if onDevice != ops {
			t.Fatalf("%d: %d ns on the devices, want %d", n, onDevice, ops)
		}
		for _, l := range a.Host.Lines {
			if whole && gpuByLine[int64(l.Line.Number)] != l.GPUNs {
				t.Fatalf("%d: line %d has %d ns on the devices, want %d", n, l.Line.Number, gpuByLine[int64(l.Line.Number)], l.GPUNs)
			}
		}
	}
}

func TestSamplesHaveTheirStacks(t *testing.T) {
	_, p := write(t, tracetest.Everything())
	count, cpu := value(t, p, "samples"), value(t, p, "cpu")
	var n, ns int64
	for _, s := range p.Sample {
		n += s.Value[count]
		ns += s.Value[cpu]
		if s.Location[0].Line[0].Function.Name != "scan_once" || s.Value[count] == 0 {
			continue
		}
		var names []string
		for _, l := range s.Location {
			names = append(names, l.Line[0].Function.Name)
		}
		if got := strings.Join(names, " < "); got != "scan_once < loads < line 3: return json.loads(path.read_text()) < line 6: record = decode(path)" {
			t.Errorf("a stack is %s", got)
		}
	}
	if n != 41 || ns != 41e6 {
		t.Errorf("%d samples for %d ns, want 41 of 1 ms: the process's own is of the same time", n, ns)
	}
}

func TestHostileTextsAreKept(t *testing.T) {
	for _, in := range []track.Input{tracetest.Hostile(), tracetest.Empty()} {
		_, p := write(t, in)
		for _, f := range p.Function {
			if f.Name == "" {
				t.Errorf("a function without a name: %+v", f)
			}
		}
	}
}

func TestToolReadsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cell.pb.gz")
	raw, _ := write(t, tracetest.Everything())
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	top := func(value string) string {
		out, err := exec.Command("go", "tool", "pprof", "-top", "-nodefraction=0", "-sample_index="+value, path).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := top("wall"); !strings.Contains(out, "100ms total") || !strings.Contains(out, "line 8: torch.cuda.synchronize()") {
		t.Error(out)
	}
	if out := top("gpu"); !strings.Contains(out, "void gemm<float, 128>") || !strings.Contains(out, "Memcpy HtoD (pageable -> device)") {
		t.Error(out)
	}
}

func TestAFullDiskIsAnError(t *testing.T) {
	r, w := io.Pipe()
	_ = r.CloseWithError(io.ErrShortWrite)
	if err := pprof.Write(w, tracetest.Everything()); err == nil || !strings.Contains(err.Error(), "write the pprof profile") {
		t.Errorf("got %v", err)
	}
}
