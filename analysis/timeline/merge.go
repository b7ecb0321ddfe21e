package timeline

import (
	"iter"
	"math"
)

// LoserTree merges k sorted sources by their int64 keys. It holds one key a
// source: the caller reads Winner, uses that source's element, and calls Replace
// with the source's next key or Exhaust. One step costs log2(k) comparisons.
// Equal keys come in the order of the sources' indices, so a merge is stable.
type LoserTree struct {
	keys   []int64
	losers []int32
	winner int32
	live   int
}

// exhausted is the key of a source that has ended; a true key of this value is
// taken as one less, which only matters for the order of two such keys.
const exhausted = math.MaxInt64

// NewLoserTree starts a merge of sources whose first keys are given. Every source
// has at least one element: leave empty ones out.
func NewLoserTree(first []int64) *LoserTree {
	k := len(first)
	t := &LoserTree{keys: make([]int64, k), losers: make([]int32, k), live: k}
	for i, key := range first {
		t.keys[i] = min(key, exhausted-1)
	}
	if k == 0 {
		return t
	}
	// Play the tournament bottom up. Leaves are the nodes k..2k-1.
	winners := make([]int32, 2*k)
	for i := range first {
		winners[k+i] = int32(i)
	}
	for n := k - 1; n >= 1; n-- {
		a, b := winners[2*n], winners[2*n+1]
		if t.before(b, a) {
			a, b = b, a
		}
		winners[n], t.losers[n] = a, b
	}
	t.winner = winners[1]
	return t
}

func (t *LoserTree) before(a, b int32) bool {
	ka, kb := t.keys[a], t.keys[b]
	return ka < kb || ka == kb && a < b
}

// Winner is the source whose current key is the smallest; ok is false when every
// source is exhausted.
func (t *LoserTree) Winner() (source int, ok bool) { return int(t.winner), t.live > 0 }

// Replace gives the winner's next key and plays its path again.
func (t *LoserTree) Replace(key int64) {
	t.keys[t.winner] = min(key, exhausted-1)
	t.replay()
}

// Exhaust takes the winner out of the merge.
func (t *LoserTree) Exhaust() {
	t.keys[t.winner] = exhausted
	t.live--
	t.replay()
}

func (t *LoserTree) replay() {
	w := t.winner
	key := t.keys[w]
	for n := (int(w) + len(t.keys)) / 2; n >= 1; n /= 2 {
		l := t.losers[n]
		if lk := t.keys[l]; lk < key || lk == key && l < w {
			t.losers[n] = w
			w, key = l, lk
		}
	}
	t.winner = w
}

// Merge yields the elements of several sorted sources in the order of their
// keys, with the index of the source that each came from. A source is a function
// that returns its next element, and false at its end. Elements of a source that
// is not sorted come out late but none is lost.
func Merge[T any](key func(T) int64, sources ...func() (T, bool)) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		heads := make([]T, 0, len(sources))
		index := make([]int, 0, len(sources))
		first := make([]int64, 0, len(sources))
		for i, next := range sources {
			if v, ok := next(); ok {
				heads, index, first = append(heads, v), append(index, i), append(first, key(v))
			}
		}
		tree := NewLoserTree(first)
		for {
			s, ok := tree.Winner()
			if !ok || !yield(index[s], heads[s]) {
				return
			}
			v, more := sources[index[s]]()
			if !more {
				tree.Exhaust()
				continue
			}
			heads[s] = v
			tree.Replace(key(v))
		}
	}
}
