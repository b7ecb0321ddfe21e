package attribution

import (
	"github.com/inferscope/inferscope/analysis/timeline"
)

// How a CUDA call gets its line where line events were off. A call takes some microseconds, samples
// come every few milliseconds: the line of the nearest sample is that of most of the time around, not
// that of the call. So, in this order:
//
//   - a sample of its thread inside the call, or the stack of a wait in it, is a witness of the call itself;
//   - calls like it, which were witnessed or made while line events were on, tell the line where nearly
//     all of them agree: those with the same neighbours first, then those with the same call before, then
//     all. Only those count that were made in the loop that the nearest sample is in;
//   - otherwise it is the line of the nearest sample, and calls.lineUnsure says so, unless all samples
//     for a while tell that line.

const (
	// leastWitnesses is how many calls must have told the line of a site: fewer may be chance.
	leastWitnesses = 5
	// agreement is the share of them that must tell the same line. The rest may be of a first pass, which
	// does more than the others.
	agreement = 0.95
	// maxSites bounds what is remembered of calls: a program's own are hundreds.
	maxSites = 1 << 16
	// maxSiteLines is how many lines are told apart at one site: calls on others agree with none.
	maxSiteLines = 8
	// lastAnswers is how many answers are kept at hand, a power of two.
	lastAnswers = 256
	// anySite stands for whatever call is beside another one.
	anySite = -1
)

// siteKey is a call of a thread with those before and after it.
type siteKey struct {
	thread             timeline.ThreadID
	before, self, next int32
}

// siteLines is on which lines the calls of a site were seen.
type siteLines struct {
	lines  [maxSiteLines]int32
	counts [maxSiteLines]int32
	others int32
}

func (s *siteLines) add(line int32) {
	for i, n := range s.counts {
		if n == 0 || s.lines[i] == line {
			s.lines[i] = line
			s.counts[i]++
			return
		}
	}
	s.others++
}

// line is the one that the calls agree on, of those on lines that may be: 0 for none. known says that there are
// enough of them.
func (s *siteLines) line(may func(line int32) bool) (line int32, known bool) {
	most, all := int32(0), s.others
	for i, n := range s.counts {
		if n == 0 || !may(s.lines[i]) {
			continue
		}
		if all += n; n > most {
			line, most = s.lines[i], n
		}
	}
	if float64(most) < agreement*float64(all) {
		line = 0
	}
	return line, all >= leastWitnesses
}

// callSites tells the lines of calls that nothing witnessed.
type callSites struct {
	c    *calls
	kind []int32 // of each call: its name, and what it launched
	of   map[siteKey]*siteLines
	main timeline.ThreadID
	// loops are those of each thread whose own lines are known.
	loops map[timeline.ThreadID]lineLoops
}

// recognise replaces the lines of the calls in guessed, which come from the nearest samples, by what the calls
// like them tell that are not in it, and takes those out of guessed.
func (c *calls) recognise(guessed []bool) {
	s := &callSites{c: c, of: map[siteKey]*siteLines{}, main: c.tl.Main(), loops: map[timeline.ThreadID]lineLoops{}}
	s.name()
	s.each(func(row int32, keys [3]siteKey) {
		if !guessed[row] && c.line[row] != 0 {
			s.learn(keys, c.line[row])
		}
	})
	// A loop asks the same again and again: there may be millions of calls.
	type question struct {
		key    siteKey
		sample int32
	}
	type answer struct {
		of   question
		line int32
	}
	var last [lastAnswers]answer
	s.each(func(row int32, keys [3]siteKey) {
		if !guessed[row] {
			return
		}
		q := question{keys[0], c.line[row]}
		a := &last[uint32(q.key.before*31+q.key.self*7+q.key.next+q.sample)%lastAnswers]
		if a.of != q {
			*a = answer{q, s.line(keys, q.sample)}
		}
		if a.line != 0 {
			c.line[row], guessed[row] = a.line, false
		}
	})
}

// name gives calls of one name that launch the same thing the same number.
func (s *callSites) name() {
	tl, table := s.c.tl, &s.c.tl.Calls
	type what struct {
		call, op timeline.NameID
		copies   timeline.CopyKind
	}
	whats := make([]what, table.Len())
	for row, name := range table.Name {
		whats[row].call = name
	}
	for i := range tl.Devices {
		ops := &tl.Devices[i].Ops
		for row, call := range ops.Call {
			if call >= 0 {
				whats[call].op, whats[call].copies = ops.Name[row], ops.Copy[row]
			}
		}
	}
	numbers := map[what]int32{}
	s.kind = make([]int32, len(whats))
	var last [lastAnswers]struct {
		of     what
		number int32
	}
	for row, w := range whats {
		at := &last[uint32(w.call*31+w.op*7)%lastAnswers]
		if at.number == 0 || at.of != w {
			n, ok := numbers[w]
			if !ok && len(numbers) < maxSites {
				n = int32(len(numbers) + 1)
				numbers[w] = n
			}
			at.of, at.number = w, n
		}
		s.kind[row] = at.number
	}
}

// each goes over the calls of every thread, with the keys of each from the most specific one on.
func (s *callSites) each(do func(row int32, keys [3]siteKey)) {
	for t := range s.c.tl.Threads {
		rows := s.c.rows[s.c.first[t]:s.c.first[t+1]]
		for i, row := range rows {
			before, next := int32(0), int32(0)
			if i > 0 {
				before = s.kind[rows[i-1]]
			}
			if i+1 < len(rows) {
				next = s.kind[rows[i+1]]
			}
			id, self := timeline.ThreadID(t), s.kind[row]
			do(row, [3]siteKey{{id, before, self, next}, {id, before, self, anySite}, {id, anySite, self, anySite}})
		}
	}
}

func (s *callSites) learn(keys [3]siteKey, line int32) {
	for _, key := range keys {
		of := s.of[key]
		if of == nil {
			if len(s.of) >= maxSites {
				continue
			}
			of = &siteLines{}
			s.of[key] = of
		}
		of.add(line)
	}
}

// line is that of the most specific site of which enough is known, 0 when its calls disagree. sample is the line
// of the nearest sample.
func (s *callSites) line(keys [3]siteKey, sample int32) int32 {
	may := func(line int32) bool { return s.near(keys[0].thread, line, sample) }
	for _, key := range keys {
		if of := s.of[key]; of != nil {
			if line, known := of.line(may); known {
				return line
			}
		}
	}
	return 0
}

// near says that a line is the one that the nearest sample tells, or in one loop with it: the same calls may have
// been made elsewhere in the cell too.
func (s *callSites) near(id timeline.ThreadID, line, sample int32) bool {
	if line == sample {
		return true
	}
	if s.c.tl.Threads[id].Lines.Len() == 0 {
		id = s.main // whose line it is then
	}
	loops, ok := s.loops[id]
	if !ok {
		loops = loopsOf(&s.c.tl.Threads[id].Lines)
		s.loops[id] = loops
	}
	return loops.together(line, sample)
}

// lineLoops has, for each line that exact events tell of, the number of its loop: lines that lead to each other.
type lineLoops map[int32]int

func (l lineLoops) together(x, y int32) bool {
	a, ok := l[x]
	b, also := l[y]
	return ok && also && a == b
}

// loopsOf finds the loops in the order of the lines that a thread executed: the strongly connected
// components of the graph of what followed what (Tarjan's algorithm).
func loopsOf(l *timeline.Lines) lineLoops {
	type edge struct{ from, to int32 }
	seen := map[edge]bool{}
	next := map[int32][]int32{}
	for i := 1; i < l.Len(); i++ {
		e := edge{l.Line[i-1], l.Line[i]}
		if e.from <= 0 || e.to <= 0 || l.Sampled[i-1] || l.Sampled[i] || seen[e] {
			continue
		}
		if len(seen) >= maxLines {
			break
		}
		seen[e] = true
		next[e.from] = append(next[e.from], e.to)
	}
	out := lineLoops{}
	order, low, open := map[int32]int{}, map[int32]int{}, map[int32]bool{}
	var stack []int32
	var visit func(line int32)
	visit = func(line int32) {
		order[line] = len(order) + 1
		low[line] = order[line]
		stack = append(stack, line)
		open[line] = true
		for _, to := range next[line] {
			if order[to] == 0 {
				visit(to)
				low[line] = min(low[line], low[to])
			} else if open[to] {
				low[line] = min(low[line], order[to])
			}
		}
		if low[line] != order[line] {
			return
		}
		for {
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			open[last] = false
			out[last] = order[line]
			if last == line {
				return
			}
		}
	}
	for i := range l.Line {
		if line := l.Line[i]; len(next[line]) > 0 && order[line] == 0 {
			visit(line)
		}
	}
	return out
}
