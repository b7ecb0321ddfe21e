package report_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report"
	"github.com/inferscope/inferscope/report/internal/fixtures"
)

// constants returns the values of the string constants of a type in package result.
func constants(t *testing.T, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../analysis/result/result.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == typ {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, s)
		}
		return true
	})
	if len(values) < 3 {
		t.Fatalf("found %d constants of type %s", len(values), typ)
	}
	return values
}

func TestEveryCauseClassAndReasonHasWords(t *testing.T) {
	for _, k := range constants(t, "CauseKind") {
		kind := result.CauseKind(k)
		if report.CauseMeaning(kind) == "" {
			t.Errorf("cause %s has no words of its own", k)
		}
		if short := report.CauseShort(kind); len(short) > 13 {
			t.Errorf("%q does not fit into its column", short)
		}
	}
	for _, c := range constants(t, "Class") {
		if report.Class(result.Class(c)) == strings.ReplaceAll(c, "_", " ") {
			t.Errorf("class %s has no words of its own", c)
		}
	}
	for r := range timeline.NumReasons {
		var s result.States
		s.BlockedNs[r] = 1
		if list := report.States(s); len(list) != 1 || list[0].Words == "" {
			t.Errorf("reason %s gives %v", r, list)
		}
	}
}

func TestStatesKeepEveryNanosecond(t *testing.T) {
	s := result.States{RunningNs: 3, RunnableNs: 5, UnknownNs: 7}
	want := int64(15)
	for r := range s.BlockedNs {
		s.BlockedNs[r] = int64(r + 1)
		want += int64(r + 1)
	}
	got := int64(0)
	for _, st := range report.States(s) {
		got += st.Ns
	}
	if got != want {
		t.Errorf("the states sum to %d, want %d", got, want)
	}
}

func TestHotLinesAndListing(t *testing.T) {
	r := fixtures.Sleep()
	if hot := report.HotLines(r, 10); len(hot) != 2 || !hot[4] || !hot[5] {
		t.Errorf("hot lines are %v, want 4 and 5", hot)
	}
	if hot := report.HotLines(r, 1); len(hot) != 1 || !hot[4] {
		t.Errorf("the one hot line is %v, want 4", hot)
	}
	for len(r.Cell.Lines) < 100 {
		r.Cell.Lines = append(r.Cell.Lines, "pass")
	}
	rows, lines := report.Listing(r, 20), 0
	for _, l := range rows {
		if l.Number > 0 {
			lines++
		}
		lines += l.Skipped
	}
	if lines != 100 || len(rows) != 6 {
		t.Errorf("the listing has %d rows for %d lines, want 6 for 100", len(rows), lines)
	}
	// A long cell without a slow line still shows its slowest.
	if hot := report.HotLines(fixtures.Huge(), 50); len(hot) != 50 {
		t.Errorf("a flat cell has %d hot lines, want 50", len(hot))
	}
}
