package attribution_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

// steps are n passes of 50 us of a loop from a moment in us on: two launches on line, a wait on the next one.
// Where exact, line events tell so.
func steps(from, n, line int, exact bool) string {
	var b strings.Builder
	if !exact {
		fmt.Fprintf(&b, "line m %dus %d sampled\n", from, line)
	}
	for i := range n {
		t := from + 50*i
		if exact {
			fmt.Fprintf(&b, "line m %dus %d\nline m %dus %d\n", t, line, t+20, line+1)
		}
		fmt.Fprintf(&b, "kernel m %dus %dus %dus %dus gemm\nkernel m %dus %dus %dus %dus mean\n", t+1, t+5, t+8, t+12, t+10, t+14, t+17, t+20)
		fmt.Fprintf(&b, "call m %dus %dus sync cudaStreamSynchronize\n", t+22, t+30)
	}
	return b.String()
}

// alternating are passes of a loop that makes the same calls on two pairs of lines.
func alternating(from, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(steps(from+100*i, 1, 4, true) + steps(from+100*i+50, 1, 8, true))
	}
	return b.String()
}

const sampledCell = `window 0s 10ms
thread m main python known period=1ms
stack four <module>@<cell>:4
stack five <module>@<cell>:5
stack eight <module>@<cell>:8
`

func TestCallsWithoutLineEvents(t *testing.T) {
	const again = "line m 5ms 8\n"
	for name, c := range map[string]struct{ text, launches, waits string }{
		// The nearest sample would give line 4 all of it.
		"calls like those that line events told of": {
			sampledCell + steps(0, 100, 4, true) + steps(5000, 100, 4, false) + "sample m 7ms native stack=four", "4: 400", "5: 200"},
		"too few of them": {
			sampledCell + steps(0, 4, 4, true) + steps(5000, 100, 4, false) + "sample m 7ms native stack=four", "4: 208", "4: 100, 5: 4"},
		// The same calls as in the first loop, in a second one, of which no line event tells.
		"another loop": {
			sampledCell + steps(0, 100, 4, true) + again + steps(5050, 95, 8, false) + "sample m 7ms native stack=eight", "4: 200, 8: 190", "5: 100, 8: 95"},
		"calls on two lines": {
			sampledCell + steps(0, 40, 4, true) + steps(2000, 40, 8, true) + steps(5000, 100, 8, false) + "sample m 7ms native stack=eight",
			"4: 80, 8: 280", "5: 40, 9: 140"},
		"calls on two lines of one loop": {
			sampledCell + alternating(0, 40) + steps(5000, 100, 4, false) + "sample m 7ms native stack=four",
			"4: 280, 8: 80", "4: 100, 5: 40, 9: 40"},
		"a sample in the call itself": {
			sampledCell + steps(5000, 2, 4, false) + "sample m 5025us native stack=five\nsample m 5040us native stack=four", "4: 2, 5: 2", "4: 1, 5: 1"},
		"the stack of a wait in it": {
			sampledCell + steps(5000, 2, 4, false) + "off m 5074us 5078us 5078us gpu_driver stack=five\nsample m 7ms native stack=four", "4: 4", "4: 1, 5: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := withDevices(t, c.text)
			classes := map[string]map[int32]int{"launch": {}, "sync": {}}
			table := &a.Timeline().Calls
			for row, line := range a.CallLines() {
				classes[[]string{"", "launch", "", "sync"}[table.Class[row]]][line]++
			}
			if got := counts(classes["launch"]); got != c.launches {
				t.Errorf("launches by line: %s, want %s", got, c.launches)
			}
			if got := counts(classes["sync"]); got != c.waits {
				t.Errorf("waits by line: %s, want %s", got, c.waits)
			}
		})
	}
}

// counts is "4: 10, 5: 3".
func counts(of map[int32]int) string {
	var out []string
	for _, line := range slices.Sorted(maps.Keys(of)) {
		out = append(out, fmt.Sprintf("%d: %d", line, of[line]))
	}
	return strings.Join(out, ", ")
}

// A wait whose line is only that of the nearest sample is said to be on it probably, and one that is known is not.
func TestALineInDoubtIsSaid(t *testing.T) {
	cell := "source\n%%inferscope\ntotal = 0.0\nfor step in range(steps):\n    loss = model(x)\n    total += loss.item()\nend\n" +
		"window 0s 200ms\nthread m main python known period=1ms\nstack four <module>@<cell>:4\ndevice 0 GPU\n"
	loop := func(exact int) string {
		return cell + steps(0, exact, 4, true) + steps(50*exact, 4000-exact, 4, false) + "sample m 190ms native stack=four\n"
	}
	for exact, want := range map[int]string{1000: " on line 5", 1: ", probably on line 4"} {
		f, err := fixture.Parse(loop(exact))
		if err != nil {
			t.Fatal(err)
		}
		r := analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch})
		if !strings.Contains(r.Verdict.Sentence, "refilling the queue after a synchronisation"+want) {
			t.Errorf("with %d passes known: %s", exact, r.Verdict.Sentence)
		}
		for _, finding := range r.Findings {
			if doubt := strings.Contains(finding.Evidence, "samples nearby"); finding.ID == "sync-in-loop" && doubt != (exact == 1) {
				t.Errorf("with %d passes known: %s", exact, finding.Evidence)
			}
		}
	}
}
