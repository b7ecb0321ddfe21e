package timeline

import (
	"container/heap"
	"fmt"
	"testing"
)

type heads struct{ keys, source []int64 }

func (h *heads) Len() int           { return len(h.keys) }
func (h *heads) Less(i, j int) bool { return h.keys[i] < h.keys[j] }
func (h *heads) Swap(i, j int) {
	h.keys[i], h.keys[j] = h.keys[j], h.keys[i]
	h.source[i], h.source[j] = h.source[j], h.source[i]
}
func (h *heads) Push(any) {}
func (h *heads) Pop() any {
	n := len(h.keys) - 1
	h.keys, h.source = h.keys[:n], h.source[:n]
	return nil
}

// The merge of k sorted sources, an element, by the loser tree and by container/heap.
func BenchmarkMerge(b *testing.B) {
	for _, k := range []int{2, 16, 128} {
		step := func(source int64) int64 { return 1 + (source*2654435761)%97 }
		b.Run(fmt.Sprintf("tree/%d", k), func(b *testing.B) {
			first := make([]int64, k)
			for i := range first {
				first[i] = step(int64(i))
			}
			tree, keys := NewLoserTree(first), append([]int64(nil), first...)
			for b.Loop() {
				s, _ := tree.Winner()
				keys[s] += step(int64(s))
				tree.Replace(keys[s])
			}
		})
		b.Run(fmt.Sprintf("heap/%d", k), func(b *testing.B) {
			h := &heads{}
			for i := range int64(k) {
				h.keys, h.source = append(h.keys, step(i)), append(h.source, i)
			}
			heap.Init(h)
			for b.Loop() {
				h.keys[0] += step(h.source[0])
				heap.Fix(h, 0)
			}
		})
	}
}
