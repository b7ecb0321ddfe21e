package text

import (
	"math"
	"regexp"
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
		if report.Columns(line) > usualColumns && !strings.HasPrefix(line, "    $ ") {
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

var sequences = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Colours are the only difference that they make, and a terminal's width is used.
func TestTerminals(t *testing.T) {
	for _, c := range fixtures.All() {
		for _, columns := range []int{0, 40, 60, 100, 140, 500} {
			without := string(Terminal{Columns: columns}.Render(c.Result))
			with := string(Terminal{Columns: columns, Colour: true}.Render(c.Result))
			if sequences.ReplaceAllString(with, "") != without {
				t.Fatalf("%s: colours change the text of %d columns", c.Name, columns)
			}
			most := map[int]int{0: 80, 40: 60, 500: 140}[columns]
			for _, line := range strings.Split(without, "\n") {
				if report.Columns(line) > max(most, min(columns, 140)) && !strings.HasPrefix(line, "    $ ") {
					t.Errorf("%s: %d of %d columns: %s", c.Name, report.Columns(line), columns, line)
				}
			}
			for _, line := range strings.Split(with, "\n") {
				if n := strings.Count(line, "\x1b"); n != 0 && (n != 2 || !strings.HasSuffix(line, reset)) {
					t.Errorf("%s: a colour goes on after %q", c.Name, line)
				}
			}
		}
	}
	typical := fixtures.Typical()
	lines := func(t Terminal) int { return strings.Count(string(t.Render(typical)), "\n") }
	if wide, narrow := lines(Terminal{Columns: 140}), lines(Terminal{Columns: 60}); wide >= narrow {
		t.Errorf("140 columns take %d lines, 60 take %d", wide, narrow)
	}
	if out := string(Terminal{Colour: true}.Render(typical)); !strings.Contains(out, string(hot)+"   1.97 s") {
		t.Error("the slowest line does not stand out")
	}
}
