package findings

import (
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
)

// recompiles is how many compilations, apart from each other, make a loop of them.
const recompiles = 3

var recompilation = Rule{
	ID:    "recompilation",
	Title: "Code is compiled again and again",
	Sees: "The GPU was idle while code was compiled, linked or loaded, at least three times and over at least half of the cell, not only at its beginning: " +
		"`torch.compile`, Triton, XLA or nvrtc met something new in every few steps.",
	Bad: "A compiler keys what it has made by shapes, types and constants. An input whose shape changes, a Python number that counts up or a " +
		"function made anew in each step is compiled each time, for much longer than it then runs.",
	Silent: "It is silent below 5% of the cell's wall or 20 ms on one line, when the GPU was idle for less than 10% of the wall, and when " +
		"compiling happened in the cell's first half alone: `compile-in-cell` speaks of that.",
	Do: "Keep shapes the same: pad to a few sizes, drop the last short batch, or mark the dimension as dynamic. Pass what changes as a " +
		"tensor, not as a Python number. `TORCH_LOGS=recompiles`, or `jax_log_compiles`, names the reason for each.",
	Causes: []result.CauseKind{result.CauseCompile},
	Change: "compile once",
	Effort: result.Moderate,
	Before: `step = torch.compile(step)
for i, x in enumerate(batches):         # lengths differ
    step(x, i)`,
	After: `step = torch.compile(step, dynamic=True)
for i, x in enumerate(batches):
    step(pad(x, multiple=64), torch.tensor(i))`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		var out []result.Finding
		for _, c := range e.lines(result.CauseCompile) {
			n := e.compiledAgain(c.Line.Number)
			if n == 0 {
				continue
			}
			out = append(out, r.finding(e, c.Line, c.Ns, "Code was compiled or loaded "+phrase.Count(n, "time", "times")+", all through the cell,"+on(c.Line)+
				", which took "+e.took(c.Ns)+inWords(c.Detail)+"."))
		}
		return out
	},
}

// compiledAgain is how many compilations a line had when they go on through the cell; 0 when
// they do not.
func (e *Evidence) compiledAgain(line int32) int64 {
	if e.compilations == nil {
		e.compilations = map[int32]int64{}
		type spread struct {
			n, first, last, gap int64
			parts               uint8
		}
		byLine := map[int32]*spread{}
		w := e.Attribution.Timeline().Window
		e.moments([]result.CauseKind{result.CauseCompile}, func(m *attribution.Moment) {
			s := byLine[m.Line]
			if s == nil {
				s = &spread{first: m.Start}
				byLine[m.Line] = s
			}
			if m.Gap != s.gap {
				s.n++
			}
			s.gap, s.last = m.Gap, m.End
			if w.Ns() > 0 {
				s.parts |= 1 << min(max((m.Start-w.Start)*8/w.Ns(), 0), 7)
			}
		})
		for line, s := range byLine {
			parts := 0
			for p := s.parts; p != 0; p &= p - 1 {
				parts++
			}
			// One call compiles in parts, too.
			if runs := e.runs(line); line > 0 && runs > 0 && runs < recompiles {
				continue
			}
			if s.n >= recompiles && parts >= recompiles && (s.last-s.first)*2 >= w.Ns() {
				e.compilations[line] = s.n
			}
		}
	}
	return e.compilations[line]
}

// runs is how often a line began; 0 when that is not known.
func (e *Evidence) runs(line int32) int64 {
	for i := range e.Host.Lines {
		if e.Host.Lines[i].Line.Number == line {
			return e.Host.Lines[i].Hits
		}
	}
	return 0
}
