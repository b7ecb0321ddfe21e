package phrase

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
)

func TestDuration(t *testing.T) {
	for ns, want := range map[int64]string{-5: "0 s", 0: "0 s", 7: "7 ns", 1500: "1.5 µs", 999_999: "1 ms", 2_449_000_000: "2.4 s",
		38_200_000: "38 ms", 59_990_000_000: "60 s", 61_000_000_000: "1 min 1 s", 7_260_000_000_000: "2 h 1 min"} {
		if got := Duration(ns); got != want {
			t.Errorf("Duration(%d) = %q, want %q", ns, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0: "0%", 0.0004: "<0.1%", 0.042: "4.2%", 0.09949: "9.9%", 0.0996: "10%", 0.82: "82%", 0.997: ">99%", 1: "100%", 3: "100%"} {
		if got := Percent(share); got != want {
			t.Errorf("Percent(%g) = %q, want %q", share, got, want)
		}
	}
}

func TestHostileLines(t *testing.T) {
	for text, want := range map[string]string{
		"  x = 1":                   "line 3 (`x = 1`)",
		"a`b\x1b[31m\u202ec":        "line 3 (`a b [31m c`)",
		"\n\n":                      "line 3",
		strings.Repeat("é", 500):    "line 3 (`" + strings.Repeat("é", 59) + "…`)",
		"<script>alert(1)</script>": "line 3 (`<script>alert(1)</script>`)",
		"bad \xff\xfe utf8":         "line 3 (`bad utf8`)",
	} {
		if got := Line(result.Line{Number: 3, Text: text}); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := Line(result.Line{}); got != "no line of the cell" {
		t.Errorf("%q", got)
	}
}

func TestKernelNames(t *testing.T) {
	for name, want := range map[string]string{
		"_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_11FillFunctorIfEEEEviT0_T1_": "`vectorized_elementwise_kernel`",
		"_Z6kernelPf": "`kernel`",
		"void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float> >(int)": "`reduce_kernel`",
		"at::cuda::(anonymous namespace)::spin_kernel(long)":                        "`spin_kernel`",
		"triton_poi_fused_add_0": "`triton_poi_fused_add_0`",
		"_ZN99999999x":           "`_ZN99999999x`",
		"_ZN0x":                  "`_ZN0x`",
		"":                       "a kernel without a name",
		"a`b\nc":                 "`a b c`",
	} {
		if got := Kernel(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := Kernel(strings.Repeat("k", 1000)); len([]rune(got)) != maxKernel+2 {
		t.Errorf("%q", got)
	}
}
