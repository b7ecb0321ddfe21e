package report_test

import (
	"math"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report"
	"github.com/inferscope/inferscope/report/internal/fixtures"
)

// The pieces of a device's time are all of it, whatever overlaps.
func TestPartsAreTheWholeCell(t *testing.T) {
	for _, c := range fixtures.All() {
		for _, d := range c.Result.Devices {
			ns, share := int64(0), 0.0
			for _, p := range report.Parts(d) {
				ns += p.Ns
				share += p.Share
			}
			if ns != d.BusyNs+d.CellIdleNs || math.Abs(share-1) > 1e-9 {
				t.Errorf("%s, GPU %d: the parts are %d ns of %d, %v of it", c.Name, d.Index, ns, d.BusyNs+d.CellIdleNs, share)
			}
		}
	}
	if p := report.Parts(result.Device{}); len(p) != 1 || p[0].Name != "idle" || p[0].Share != 0 {
		t.Errorf("a device without time gives %v", p)
	}
}

func TestKernel(t *testing.T) {
	for in, want := range map[string]string{
		"":            "(no name)",
		"void ":       "void ",
		"nvjet_tst":   "nvjet_tst",
		"void f(int)": "f",
		"void at::native::k<4, at::native::F<float>, std::array<char*, 3ul> >(int, at::native::F<float>)": "k<4, F<float>, std::array<char*, 3ul> >",
		"void g<h(int)::{lambda(float)#1}>(float (*)(int), h(int)::{lambda(float)#1})":                    "g<h(int)::{lambda(float)#1}>",
		"(anonymous namespace)": "(anonymous namespace)",
		"odd)":                  "odd)",
		"\x1b[31mred":           "⟨U+001B⟩[31mred",
	} {
		if got := report.Kernel(in, 84); got != want {
			t.Errorf("Kernel(%q) = %q, want %q", in, got, want)
		}
	}
	long := "head" + strings.Repeat("é<", 5000) + "tail"
	got := []rune(report.Kernel(long, 84))
	if len(got) != 84 || !strings.HasPrefix(string(got), "head") || !strings.HasSuffix(string(got), "tail") {
		t.Errorf("a long name gives %d characters: %s", len(got), string(got))
	}
}

func TestQuantityAndBandwidth(t *testing.T) {
	for v, want := range map[float64]string{0: "0 W", 3.14159: "3.14 W", 612.4: "612 W", 1979.6: "1,980 W", -1: "–", math.Inf(1): "–"} {
		if got := report.Quantity(v, "W"); got != want {
			t.Errorf("Quantity(%v) = %q, want %q", v, got, want)
		}
	}
	if got := report.Quantity(math.NaN(), "W"); got != "–" {
		t.Errorf("Quantity(NaN) = %q", got)
	}
	for _, c := range []struct {
		bytes, ns int64
		want      string
	}{{243, 10, "24.3 GB/s"}, {1, 1000, "1 MB/s"}, {1, 100_000_000, "0.01 kB/s"}, {5, 0, "–"}, {-1, 5, "–"}, {math.MaxInt64, 1, "1,000,000,000,000,000 GB/s"}} {
		if got := report.Bandwidth(c.bytes, c.ns); got != c.want {
			t.Errorf("Bandwidth(%d, %d) = %q, want %q", c.bytes, c.ns, got, c.want)
		}
	}
}

// What a sensor could not tell is no fact.
func TestUnknownSensorsAreLeftOut(t *testing.T) {
	for _, d := range fixtures.NoOps().Devices {
		for _, f := range append(report.KeyFacts(d), report.SensorFacts(d)...) {
			if f.Name != "MIG" {
				t.Errorf("%s is %q", f.Name, f.Value)
			}
		}
	}
	d := result.Device{Sensors: &timeline.Sensors{EnergyJ: math.NaN(), PowerAvgW: -1, MemoryPeak: -1, UtilizationAvg: math.NaN(), GPM: &timeline.GPM{SMUtilization: math.NaN(), TensorActive: -1, DRAMBandwidth: 0.5}}}
	if got := report.Facts(report.KeyFacts(d)); got != "DRAM bandwidth 50%" {
		t.Errorf("the facts are %q", got)
	}
}

func TestCarried(t *testing.T) {
	for _, c := range []struct {
		d    result.Device
		want string
	}{
		{result.Device{BusyNs: 5}, ""},
		{result.Device{BusyNs: 5, CarryInNs: 2}, "2 ns of its work had been launched before the cell began."},
		{result.Device{BusyNs: 5, CarryInNs: 5}, "All of its work, 5 ns, had been launched before the cell began; the cell itself launched nothing."},
		{result.Device{BusyNs: 5, CarryOutNs: 3}, "It worked on for 3 ns after the cell's last statement: that time is counted here, and is not in the wall time."},
	} {
		if got := strings.Join(report.Carried(&result.Result{}, c.d), " "); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestModules(t *testing.T) {
	for in, want := range map[string]string{
		"_multiarray_umath.cpython-312-x86_64-linux-gnu.so": "_multiarray_umath", "in _c.cpython-313t-aarch64-linux-gnu.so and x": "in _c and x", "fast.abi3.so": "fast",
		"libopenblas.so": "libopenblas.so", "libcudart.so.12": "libcudart.so.12", "plain": "plain",
	} {
		if got := report.Modules(in); got != want {
			t.Errorf("Modules(%q) = %q, want %q", in, got, want)
		}
	}
}
