package text

import (
	"math"
	"strings"
	"testing"
	"unicode"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

func TestGolden(t *testing.T) {
	for _, c := range fixtures.All() {
		t.Run(c.Name, func(t *testing.T) {
			out := Render(c.Result)
			if !c.Large {
				golden.Check(t, c.Name+".txt", out)
			}
			fitsATerminal(t, string(out))
		})
	}
}

func fitsATerminal(t *testing.T, out string) {
	t.Helper()
	for _, line := range strings.Split(out, "\n") {
		if report.Columns(line) > width && !strings.HasPrefix(line, "    $ ") {
			t.Errorf("%d columns: %s", report.Columns(line), line)
		}
		for _, c := range line {
			if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
				t.Errorf("%U reaches the terminal in %q", c, line)
			}
		}
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{0: "    ", 1: "████", 0.5: "██  ", 0.53125: "██▏ ", 2: "████", -1: "    ", math.Inf(1): "████"} {
		if got := bar(share, 4); got != want {
			t.Errorf("bar(%v) = %q, want %q", share, got, want)
		}
	}
	if got := bar(math.NaN(), 4); got != "    " {
		t.Errorf("bar(NaN) = %q", got)
	}
}

func TestZeroResult(t *testing.T) {
	if out := Render(&result.Result{}); len(out) == 0 {
		t.Error("nothing was rendered")
	}
}
