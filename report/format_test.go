package report_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/inferscope/inferscope/report"
	_ "github.com/inferscope/inferscope/report/internal/golden" // so that -update is known to every package here
)

func TestDuration(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0 s", 1: "1 ns", 850: "850 ns", 999: "999 ns", 1000: "1 µs", 12_340: "12.3 µs", 999_949: "1 ms", 4_560_000: "4.56 ms", 10_000_000: "10 ms",
		999_600_000: "1 s", 1_234_000_000: "1.23 s", 59_940_000_000: "59.9 s", 59_990_000_000: "1 min 00 s", 125_000_000_000: "2 min 05 s",
		3_599_700_000_000: "1 h 00 min", 3_720_000_000_000: "1 h 02 min", -1_500_000: "-1.5 ms", math.MaxInt64: "2,562,047 h 47 min",
		math.MinInt64: "-2,562,047 h 47 min",
	} {
		if got := report.Duration(ns); got != want {
			t.Errorf("Duration(%d) = %q, want %q", ns, got, want)
		}
	}
}

func TestSaving(t *testing.T) {
	const ms = int64(time.Millisecond)
	for _, c := range []struct {
		low, high int64
		want      string
	}{
		{0, 0, ""}, {0, 1234 * ms, "up to 1.2 s"}, {1190 * ms, 1234 * ms, "about 1.2 s"}, {617 * ms, 1234 * ms, "620 ms to 1.2 s"},
		{1234 * ms, 2468 * ms, "1.2 to 2.5 s"}, {-5, ms, "up to 1 ms"}, {5, -1, ""}, {50_000 * ms, 100_000 * ms, "50 s to 1 min 40 s"},
	} {
		if got := report.Saving(c.low, c.high); got != c.want {
			t.Errorf("Saving(%d, %d) = %q, want %q", c.low, c.high, got, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0: "0%", 0.0004: "<0.1%", 0.042: "4.2%", 0.0996: "10%", 0.5249: "52%", 0.99: "99%", 0.996: ">99%", 1: "100%",
		1.5: "150%", -1: "0%", math.Inf(1): "–"} {
		if got := report.Percent(share); got != want {
			t.Errorf("Percent(%v) = %q, want %q", share, got, want)
		}
	}
	if got := report.Percent(math.NaN()); got != "–" {
		t.Errorf("Percent(NaN) = %q", got)
	}
}

func TestBytesCountPlural(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1 MiB", 2 << 30: "2 GiB", -2048: "-2 KiB",
		math.MaxInt64: "8,192 PiB", math.MinInt64: "-8,192 PiB"} {
		if got := report.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 waits", 1: "1 wait", 1234567: "1,234,567 waits", -1000: "-1,000 waits"} {
		if got := report.Plural(n, "wait"); got != want {
			t.Errorf("Plural(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain":               "plain",
		"naïve 日本 👩‍💻":        "naïve 日本 👩‍💻",
		"a\tb":                "a    b",
		"\x1b[31m\x00\n":      "⟨U+001B⟩[31m⟨U+0000⟩⟨U+000A⟩",
		"x\u202egnp\u2069":    "x⟨U+202E⟩gnp⟨U+2069⟩",
		"zero\u200b\ufeffw":   "zero⟨U+200B⟩⟨U+FEFF⟩w",
		"tag\U000e0041\u00ad": "tag⟨U+E0041⟩⟨U+00AD⟩",
		"\u2028\u0085\x7f":    "⟨U+2028⟩⟨U+0085⟩⟨U+007F⟩",
		"bad\xff\xfe":         "bad\ufffd\ufffd",
	} {
		if got := report.Visible(in, 0); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
	if got := report.Visible("abcdef", 4); got != "abcd… (2 more)" {
		t.Errorf("a cut gives %q", got)
	}
	if got := report.Visible("éééé", 4); got != "éééé" {
		t.Errorf("a text as long as the limit gives %q", got)
	}
	if got := report.VisibleBlock("a\r\n\tb\nc\nd\n\n", 2, 10); got != "a\n    b\n… (2 more lines)" {
		t.Errorf("a block gives %q", got)
	}
}

func TestSpans(t *testing.T) {
	for in, want := range map[string][]report.Span{
		"":               {},
		"plain":          {{Text: "plain"}},
		"call `f()` now": {{Text: "call "}, {Text: "f()", Code: true}, {Text: " now"}},
		"`a``b`":         {{Text: "a", Code: true}, {Text: "b", Code: true}},
		"it`s":           {{Text: "it`s"}},
	} {
		if got := report.Spans(in); !slices.Equal(got, want) {
			t.Errorf("Spans(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"e\u0301e\u0301", 2, "e\u0301e\u0301"}, {"abc", 0, ""}, {"abc", -1, ""}} {
		if got := report.Fit(c.in, c.width); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}
