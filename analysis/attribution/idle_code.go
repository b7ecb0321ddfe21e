package attribution

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/phrase"
)

// addCode gives [start, end) to the code whose range holds the thread.
func (s *idleSweep) addCode(v *actor, line int32, start, end int64) {
	in := v.code.inside()
	k := idleOf(in.kind())
	s.add(k, line, proof{}, start, end)
	sums := s.code[k]
	for int(in.fn) >= len(sums) {
		sums = append(sums, 0)
	}
	sums[in.fn] += end - start
	s.code[k] = sums
}

// largest names the code that most of a cause's time went to, of all ns; empty when
// that is little.
func (s *idleSweep) largest(k idle, all int64) string {
	var best int64
	var of fnID
	for f, ns := range s.code[k] {
		if ns > best {
			best, of = ns, fnID(f)
		}
	}
	name := s.a.frames.name(of)
	switch {
	case name == "" || best*20 < all:
		return ""
	case k == iLoading && strings.Contains(name, "_MultiProcessingDataLoaderIter"):
		return "waiting for a worker"
	case k == iLoading && strings.Contains(name, "_SingleProcessDataLoaderIter"):
		return "running in this process"
	case best*10 >= all*9:
		return "in " + name
	case best*2 >= all:
		return "mostly in " + name
	}
	return "most of all, " + phrase.Percent(float64(best)/float64(all)) + " of it, in " + name
}
