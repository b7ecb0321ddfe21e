package tracefile_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
)

// tracesFolder holds real traces of other tools with numbers that were computed
// independently, as far as it is there.
func tracesFolder(t *testing.T) string {
	t.Helper()
	return tracetest.RealTraces(t)
}

// expectation is what expected.json says of one trace; times are ns.
type expectation struct {
	WallNs  *int64 `json:"wall_ns"`
	Devices []struct {
		Device          string `json:"device"`
		Kernels         int64  `json:"kernels"`
		CommKernels     int64  `json:"comm_kernels"`
		Memcpys         int64  `json:"memcpys"`
		Memsets         int64  `json:"memsets"`
		WindowNs        int64  `json:"window_ns"`
		BusyNs          int64  `json:"busy_ns"`
		IdleNs          int64  `json:"idle_ns"`
		ComputeNs       int64  `json:"compute_ns"`
		CommNs          int64  `json:"comm_ns"`
		MemcpyNs        int64  `json:"memcpy_ns"`
		MemsetNs        int64  `json:"memset_ns"`
		ExposedCommNs   int64  `json:"exposed_comm_ns"`
		ExposedMemcpyNs int64  `json:"exposed_memcpy_ns"`
		KernelSumNs     int64  `json:"kernel_sum_ns"`
		Memcpy          map[string]struct {
			N, Ns, Bytes int64
		} `json:"memcpy"`
		TopKernels []struct {
			Name  string
			Ns, N int64
		} `json:"top_kernels"`
	} `json:"devices"`
	Verdict struct {
		Accept   []string `json:"accept"`
		CauseTop []string `json:"cause_top"`
		MustNot  []string `json:"must_not"`
	} `json:"verdict"`
}

// close says whether a number is the expected one: exactly where the trace has whole
// microseconds or nanoseconds, to a millionth where it has decimals.
func equal(got, want int64, fractional bool) bool {
	if !fractional {
		return got == want
	}
	return math.Abs(float64(got-want)) <= 1e-6*math.Abs(float64(want))+1
}

// fractional are the traces with decimals of a microsecond.
var fractional = []string{"hta_ns_resolution_v100_ddp.json.gz", "tl_h100_gaunernst_bert-small-uncased.json.gz", "hta_cpu_only.json.gz"}

func analyse(t *testing.T, path string, opts importer.Options) *result.Result {
	t.Helper()
	trace, err := tracefile.Open(context.Background(), path, opts)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := trace.Timeline.Check(); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return analysis.Analyze(trace.Timeline, analysis.Input{Source: result.Source{Kind: trace.Kind, Path: path}})
}

func TestRealTraces(t *testing.T) {
	folder := tracesFolder(t)
	text, err := os.ReadFile(filepath.Join(folder, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]expectation
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	if len(expected) < 8 {
		t.Fatalf("%d traces are expected: the format is another one", len(expected))
	}
	for name, want := range expected {
		t.Run(name, func(t *testing.T) {
			r := analyse(t, filepath.Join(folder, name), importer.Whole())
			loose := slices.Contains(fractional, name)
			check := func(what string, got, want int64) {
				if !equal(got, want, loose) {
					t.Errorf("%s is %d, want %d", what, got, want)
				}
			}
			if want.WallNs != nil {
				check("wall", r.WallNs, *want.WallNs)
			}
			checkDevices(t, r, want, check)
			checkVerdict(t, r, want)
			var idle int64
			for _, c := range r.Idle.Causes {
				idle += c.Ns
			}
			if idle != r.Idle.TotalNs {
				t.Errorf("the causes of the idle time sum to %d of %d", idle, r.Idle.TotalNs)
			}
			t.Logf("%s (%.2f), top cause %s: %s", r.Verdict.Class, r.Verdict.Confidence, r.Verdict.TopCause.Kind, r.Verdict.Sentence)
			for _, c := range r.Idle.Causes[:min(len(r.Idle.Causes), 6)] {
				t.Logf("   idle %s %.1f%% %s", c.Kind, 100*c.Share, c.Detail)
			}
			for _, f := range r.Findings {
				t.Logf("   finding %s: %s", f.ID, f.Evidence)
			}
		})
	}
}

// No trace of another tool tells why a thread waited, whichever tool: that is what is said, and nothing is guessed.
func TestRealTracesDoNotGuess(t *testing.T) {
	folder := tracesFolder(t)
	for _, name := range []string{"tb_resnet50_nw0_1623143089861_v100.json.gz", "hta_cpu_only.json.gz", "hta_cupti_profiler_a100.json.gz", "nsysai_h100_2gpu_1s.sqlite.gz"} {
		trace, err := tracefile.Open(context.Background(), filepath.Join(folder, name), importer.Whole())
		if err != nil {
			t.Fatal(err)
		}
		x := analysis.Explain(trace.Timeline, analysis.Input{Source: result.Source{Kind: trace.Kind, Path: name}})
		for _, k := range []string{"gil_wait", "lock_wait", "page_fault", "host_io", "preempted"} {
			list := x.Of(k)
			if len(list) != 1 || !strings.Contains(strings.Join(list[0].Facts, " "), "Whether it happened is not known") || slices.Contains(x.Subjects(), k) {
				t.Errorf("%s: %s: %+v", name, k, list)
			}
		}
		for _, f := range x.Result.Findings {
			if slices.Contains([]string{"gil-contention", "lock-contention", "page-faults", "host-io", "preemption"}, f.ID) {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

func checkDevices(t *testing.T, r *result.Result, want expectation, check func(string, int64, int64)) {
	t.Helper()
	if len(r.Devices) != len(want.Devices) {
		t.Fatalf("%d devices, want %d", len(r.Devices), len(want.Devices))
	}
	for i, w := range want.Devices {
		d := &r.Devices[i]
		for _, n := range []struct {
			what      string
			got, want int64
		}{
			{"kernels", d.Kernels, w.Kernels}, {"memcpys", d.Memcpys, w.Memcpys}, {"memsets", d.Memsets, w.Memsets},
			{"window", d.WindowNs, w.WindowNs}, {"busy", d.BusyNs, w.BusyNs}, {"idle", d.IdleNs, w.IdleNs},
			{"compute", d.ComputeNs, w.ComputeNs}, {"comm", d.CommNs, w.CommNs}, {"memcpy", d.MemcpyNs, w.MemcpyNs},
			{"memset", d.MemsetNs, w.MemsetNs}, {"exposed comm", d.ExposedCommNs, w.ExposedCommNs},
			{"exposed memcpy", d.ExposedMemcpyNs, w.ExposedMemcpyNs}, {"kernel sum", d.KernelSumNs, w.KernelSumNs},
		} {
			check("device "+w.Device+": "+n.what, n.got, n.want)
		}
		if len(d.Copies) != len(w.Memcpy) {
			t.Errorf("device %s: copies %+v, want %+v", w.Device, d.Copies, w.Memcpy)
		}
		for name, c := range w.Memcpy {
			found := slices.IndexFunc(d.Copies, func(x result.Copy) bool {
				sides := strings.ToLower(name)
				return strings.Contains(name, x.Kind) && strings.Contains(strings.ReplaceAll(sides, " ", ""), x.Source+"->"+x.Target)
			})
			if found < 0 {
				t.Errorf("device %s: no copies %s among %+v", w.Device, name, d.Copies)
				continue
			}
			x := d.Copies[found]
			check(name+": count", x.Count, c.N)
			check(name+": ns", x.Ns, c.Ns)
			check(name+": bytes", x.Bytes, c.Bytes)
		}
		for k, kernel := range w.TopKernels {
			got := d.TopKernels[k]
			if !strings.HasPrefix(got.Name, kernel.Name) || got.Count != kernel.N {
				t.Errorf("device %s: kernel %d is %q (%d), want %q (%d)", w.Device, k, got.Name, got.Count, kernel.Name, kernel.N)
			}
			check(kernel.Name, got.Ns, kernel.Ns)
		}
	}
}

// causes are our words for the causes that expected.json names.
var causes = map[string][]result.CauseKind{"data_loading": {result.CauseDataLoading},
	"launch_or_framework_overhead": {result.CauseFramework, result.CauseLaunchLatency}, "h2d_copy": {result.CauseCopyToDevice}}

// findings are those that speak of what expected.json forbids.
var findings = map[string][]string{"data_loading": {"data-loader-starved"}, "pageable": {"pageable-copies"}, "sync": {"sync-in-loop"},
	"memory_transfer": {"pageable-copies"}, "idle": {"launch-bound-small-kernels"}, "communication": {"exposed-communication"}}

func checkVerdict(t *testing.T, r *result.Result, want expectation) {
	t.Helper()
	v := r.Verdict
	if len(want.Verdict.Accept) > 0 && !slices.Contains(want.Verdict.Accept, string(v.Class)) {
		t.Errorf("the verdict is %s (leaning %s), want one of %v", v.Class, v.Leaning, want.Verdict.Accept)
	}
	for _, cause := range want.Verdict.CauseTop {
		if !slices.Contains(causes[cause], v.TopCause.Kind) {
			t.Errorf("the top cause is %s, want %s", v.TopCause.Kind, cause)
		}
	}
	for _, no := range want.Verdict.MustNot {
		if slices.Contains(causes[no], v.TopCause.Kind) {
			t.Errorf("the top cause is %s", v.TopCause.Kind)
		}
		if findings[no] == nil {
			t.Fatalf("no finding is known to speak of %s", no)
		}
		for _, f := range r.Findings {
			if slices.Contains(findings[no], f.ID) {
				t.Errorf("a finding speaks of %s: %s", no, f.Evidence)
			}
		}
	}
}
