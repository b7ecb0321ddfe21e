package compare

import (
	"cmp"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
)

const (
	// mostCells bounds the table of a longest common subsequence; longer stretches are
	// cut at lines that occur once on both sides.
	mostCells = 1 << 21
	// mostEdited bounds the stretches within which edited lines are looked for.
	mostEdited = 64 * 64
	// alike is the similarity from which a line counts as an edit of another.
	alike = 0.5
	// comparedBytes is how much of a line its similarity is told from.
	comparedBytes = 300
)

// pairing matches the lines of two sources by 1-based number.
type pairing struct {
	// after[n] is the line after of line n before, and before[n] the reverse; 0 for none.
	after, before []int32
	// edited says of a line before that its match is an edit.
	edited []bool
}

// pair matches two sources, line by line: what is the same by a longest common
// subsequence, indentation aside; then what stands in the same place by
// likeness. Exchanging the sources exchanges the answer.
func pair(before, after []string) pairing {
	x, y := trimmed(before), trimmed(after)
	// Of several ways to match, the one found depends on the order: fix it.
	swapped := slices.Compare(x, y) > 0
	if swapped {
		x, y = y, x
	}
	m := matcher{x: x, y: y, to: make([]int32, len(x))}
	m.same(0, len(x), 0, len(y))
	edited := m.edits()
	p := pairing{after: make([]int32, len(before)+1), before: make([]int32, len(after)+1), edited: make([]bool, len(before)+1)}
	for i, to := range m.to {
		if to == 0 {
			continue
		}
		b, a := int32(i+1), to
		if swapped {
			b, a = a, b
		}
		p.after[b], p.before[a], p.edited[b] = a, b, edited[i]
	}
	return p
}

func trimmed(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimSpace(l)
	}
	return out
}

// matcher matches x with y; to[i] is the 1-based line of y that x[i] is, 0 for none.
type matcher struct {
	x, y []string
	to   []int32
}

// same matches equal lines of x[i0:i1] and y[j0:j1].
func (m *matcher) same(i0, i1, j0, j1 int) {
	for i0 < i1 && j0 < j1 && m.x[i0] == m.y[j0] {
		m.to[i0] = int32(j0 + 1)
		i0++
		j0++
	}
	for i0 < i1 && j0 < j1 && m.x[i1-1] == m.y[j1-1] {
		i1--
		j1--
		m.to[i1] = int32(j1 + 1)
	}
	switch {
	case i0 == i1 || j0 == j1:
	case (i1-i0)*(j1-j0) <= mostCells:
		m.subsequence(i0, i1, j0, j1)
	default:
		i, j := i0, j0
		for _, a := range m.anchors(i0, i1, j0, j1) {
			m.same(i, a[0], j, a[1])
			m.to[a[0]] = int32(a[1] + 1)
			i, j = a[0]+1, a[1]+1
		}
		if i > i0 { // without an anchor nothing got shorter: the rest stays unmatched
			m.same(i, i1, j, j1)
		}
	}
}

// subsequence matches a longest common subsequence. An empty line is worth less than
// any other: it does not hold lines apart that belong together.
func (m *matcher) subsequence(i0, i1, j0, j1 int) {
	w := j1 - j0 + 1
	best := make([]int32, (i1-i0+1)*w)
	worth := func(line string) int32 {
		if line == "" {
			return 1
		}
		return 8
	}
	for i := i1 - 1; i >= i0; i-- {
		row, below := best[(i-i0)*w:], best[(i-i0+1)*w:]
		for j := j1 - 1; j >= j0; j-- {
			row[j-j0] = max(below[j-j0], row[j-j0+1])
			if m.x[i] == m.y[j] {
				row[j-j0] = max(row[j-j0], below[j-j0+1]+worth(m.x[i]))
			}
		}
	}
	for i, j := i0, j0; i < i1 && j < j1; {
		here, down, right := best[(i-i0)*w+j-j0], best[(i-i0+1)*w+j-j0], best[(i-i0)*w+j-j0+1]
		switch {
		case m.x[i] == m.y[j] && here == best[(i-i0+1)*w+j-j0+1]+worth(m.x[i]):
			m.to[i] = int32(j + 1)
			i++
			j++
		case here == down:
			i++
		case here == right:
			j++
		}
	}
}

// anchors are lines that occur once in each stretch, in the longest order that both have.
func (m *matcher) anchors(i0, i1, j0, j1 int) [][2]int {
	type place struct{ i, j, inX, inY int }
	places := map[string]*place{}
	at := func(line string) *place {
		if places[line] == nil {
			places[line] = &place{}
		}
		return places[line]
	}
	for i := i0; i < i1; i++ {
		p := at(m.x[i])
		p.i = i
		p.inX++
	}
	for j := j0; j < j1; j++ {
		p := at(m.y[j])
		p.j = j
		p.inY++
	}
	var once [][2]int
	for _, p := range places {
		if p.inX == 1 && p.inY == 1 {
			once = append(once, [2]int{p.i, p.j})
		}
	}
	slices.SortFunc(once, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
	return increasing(once)
}

// increasing is a longest run of pairs, sorted by their first number, whose second numbers increase too.
func increasing(pairs [][2]int) [][2]int {
	var ends []int // ends[k] is the pair that ends the run of k+1 pairs with the smallest end
	previous := make([]int, len(pairs))
	for n, p := range pairs {
		k, _ := slices.BinarySearchFunc(ends, p[1], func(e, j int) int { return cmp.Compare(pairs[e][1], j) })
		previous[n] = -1
		if k > 0 {
			previous[n] = ends[k-1]
		}
		if k == len(ends) {
			ends = append(ends, n)
		} else {
			ends[k] = n
		}
	}
	if len(ends) == 0 {
		return nil
	}
	out := make([][2]int, len(ends))
	for k, n := len(ends)-1, ends[len(ends)-1]; n >= 0; k, n = k-1, previous[n] {
		out[k] = pairs[n]
	}
	return out
}

// edits matches, between lines that are the same, those that became others, and says which they are.
func (m *matcher) edits() []bool {
	edited := make([]bool, len(m.x))
	i, j := 0, 0
	for i < len(m.x) || j < len(m.y) {
		i1 := i
		for i1 < len(m.x) && m.to[i1] == 0 {
			i1++
		}
		j1 := len(m.y)
		if i1 < len(m.x) {
			j1 = int(m.to[i1]) - 1
		}
		m.likely(i, i1, j, j1, edited)
		i, j = i1+1, j1+1
	}
	return edited
}

// likely matches the lines of a stretch in which none is the same, so that they are
// as alike as can be. One line in the place of one other is an edit whatever it says.
func (m *matcher) likely(i0, i1, j0, j1 int, edited []bool) {
	n, k := i1-i0, j1-j0
	if n <= 0 || k <= 0 || n*k > mostEdited {
		return
	}
	if n == 1 && k == 1 && m.x[i0] != "" && m.y[j0] != "" {
		m.to[i0], edited[i0] = int32(j0+1), true
		return
	}
	w := k + 1
	best, sim := make([]float64, (n+1)*w), make([]float64, n*k)
	for i := n - 1; i >= 0; i-- {
		for j := k - 1; j >= 0; j-- {
			best[i*w+j] = max(best[(i+1)*w+j], best[i*w+j+1])
			if s := likeness(m.x[i0+i], m.y[j0+j]); s >= alike {
				sim[i*k+j] = s
				best[i*w+j] = max(best[i*w+j], best[(i+1)*w+j+1]+s)
			}
		}
	}
	for i, j := 0, 0; i < n && j < k; {
		switch here := best[i*w+j]; {
		case sim[i*k+j] > 0 && here == best[(i+1)*w+j+1]+sim[i*k+j]:
			m.to[i0+i], edited[i0+i] = int32(j0+j+1), true
			i++
			j++
		case here == best[(i+1)*w+j]:
			i++
		default:
			j++
		}
	}
}

// likeness is Dice's coefficient of the pairs of bytes in two lines, 0..1.
func likeness(x, y string) float64 {
	x, y = x[:min(len(x), comparedBytes)], y[:min(len(y), comparedBytes)]
	if len(x) < 2 || len(y) < 2 {
		return 0
	}
	pairs := make(map[[2]byte]int, len(x))
	for i := range len(x) - 1 {
		pairs[[2]byte{x[i], x[i+1]}]++
	}
	both := 0
	for i := range len(y) - 1 {
		if p := [2]byte{y[i], y[i+1]}; pairs[p] > 0 {
			pairs[p]--
			both++
		}
	}
	return 2 * float64(both) / float64(len(x)+len(y)-2)
}

// source is what identifies a cell: its lines without the one that asks for the profile.
func source(r *result.Result, directive int32) []string {
	lines := trimmedRight(r.Cell.Lines)
	if n := int(directive); n >= 1 && n <= len(lines) {
		lines = slices.Delete(lines, n-1, n)
	}
	return lines
}

func trimmedRight(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, strings.TrimRight(l, " \t\r"))
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}
