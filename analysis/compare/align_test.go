package compare

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// drawn writes a pairing: "1=1 2~3 3- +2".
func drawn(p pairing) string {
	var out []string
	for n := 1; n < len(p.after); n++ {
		switch {
		case p.after[n] == 0:
			out = append(out, fmt.Sprint(n, "-"))
		case p.edited[n]:
			out = append(out, fmt.Sprint(n, "~", p.after[n]))
		default:
			out = append(out, fmt.Sprint(n, "=", p.after[n]))
		}
	}
	for n := 1; n < len(p.before); n++ {
		if p.before[n] == 0 {
			out = append(out, fmt.Sprint("+", n))
		}
	}
	return strings.Join(out, " ")
}

func TestPair(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"", "", "1=1"},
		{"a\nb\nc", "a\nb\nc", "1=1 2=2 3=3"},
		{"a\nb\nc", "a\nc", "1=1 2- 3=2"},
		{"a\nc", "a\nb\nc", "1=1 2=3 +2"},
		{"a\nsleep(0.2)\nc", "a\nsleep(0.05)\nc", "1=1 2~2 3=3"},
		{"a\nx = slow(y)\nc", "a\n    await another.thing()\nc", "1=1 2~2 3=3"}, // in its place, whatever it says
		{"a\nb", "with p():\n    a\n    b", "1=2 2=3 +1"},                       // indented
		{"for x in xs:\n    total += f(x)\nprint(total)", "for x in ys:\n    y = g(x)\n    total += f(y)\nprint(total)", "1~1 2~3 3=4 +2"},
		{"load()\n\nrun()", "run()\n\nload()", "1- 2- 3=1 +2 +3"},
		{"x\nx\nx", "x\nx", "1=1 2=2 3-"},
		{"qqqqq\nzzzzz", "aaaaa", "1- 2- +1"},
	} {
		before, after := strings.Split(c.before, "\n"), strings.Split(c.after, "\n")
		if got := drawn(pair(before, after)); got != c.want {
			t.Errorf("%q and %q: %s, want %s", c.before, c.after, got, c.want)
		}
	}
}

// Any two sources: lines keep their order, those called the same are the same, and the reverse is the reverse.
func TestPairIsAMatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	random := func() []string {
		out := make([]string, rng.IntN(40))
		for i := range out {
			out[i] = []string{"", "a", "b", "  b", "total += 1", "total += 2", "total = 3", fmt.Sprint(rng.IntN(100))}[rng.IntN(8)]
		}
		return out
	}
	for range 3000 {
		x, y := random(), random()
		p, back := pair(x, y), pair(y, x)
		last := int32(0)
		for n := 1; n < len(p.after); n++ {
			to := p.after[n]
			if to == 0 {
				continue
			}
			same := strings.TrimSpace(x[n-1]) == strings.TrimSpace(y[to-1])
			if to <= last || p.before[to] != int32(n) || same == p.edited[n] {
				t.Fatalf("%q and %q: %s", x, y, drawn(p))
			}
			last = to
		}
		if !slices.Equal(p.after, back.before) || !slices.Equal(p.before, back.after) {
			t.Fatalf("%q and %q: %s, and back %s", x, y, drawn(p), drawn(back))
		}
	}
}

// Sources too long for a table are cut at lines that occur once.
func TestPairOfLongSources(t *testing.T) {
	var x, y []string
	for i := range 6000 {
		line := fmt.Sprintf("step_%d(total)", i)
		if i%3 == 0 {
			line = "total += 1"
		}
		x = append(x, line)
		if i%50 != 7 {
			y = append(y, line)
		}
		if i%70 == 0 {
			y = append(y, fmt.Sprintf("new = %d", i))
		}
	}
	p := pair(x, y)
	gone := 0
	for n := 1; n < len(p.after); n++ {
		if p.after[n] == 0 {
			gone++
		} else if !p.edited[n] && x[n-1] != y[p.after[n]-1] {
			t.Fatalf("line %d is not line %d", n, p.after[n])
		}
	}
	if gone > 120 {
		t.Errorf("%d lines of %d are taken for removed, 120 were", gone, len(x))
	}
	// Without any such line the middle is given up, not computed for minutes.
	for i := range x {
		x[i], y[i%len(y)] = "a", "b"
	}
	pair(append(x, x...), append(y, y...))
}

func TestRelated(t *testing.T) {
	cell := strings.Split("import time\nfor i in range(9):\n    time.sleep(0.2)", "\n")
	edited := strings.Split("import time\nfor i in range(9):\n    time.sleep(0.1)", "\n")
	other := strings.Split("import numpy as np\nmodel = fit(data)\nmodel.plot()\nshow()", "\n")
	if !Related(cell, edited) || !Related(cell, cell) || Related(cell, other) || Related(nil, cell) {
		t.Error("versions of a cell are not told from other cells")
	}
}
