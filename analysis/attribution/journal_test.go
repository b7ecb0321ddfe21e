package attribution

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// What was noted comes back, whatever the numbers.
func TestJournal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	type noted struct {
		entry
		momentClass
	}
	var want []noted
	j := &journal{}
	at, gap := int64(0), int64(0)
	for range 20_000 {
		e := entry{start: at + r.Int64N(1_000), before: int32(r.IntN(3)) - 1, next: math.MaxInt32 * int32(r.IntN(2)), gap: gap + 1}
		if r.IntN(100) == 0 {
			e.start += 1 << (20 + r.IntN(38))
		}
		for range 1 + r.IntN(4) {
			c := momentClass{line: int32(r.IntN(400)), thread: timeline.ThreadID(r.IntN(3)), kind: idle(r.IntN(int(numIdle))), sampled: r.IntN(2) == 0, state: threadState(r.IntN(4))}
			e.waker = 0
			if c.state == runnable || c.state == blocked {
				c.reason, e.waker = timeline.Reason(r.IntN(5)), timeline.ThreadID(r.Uint32())
			}
			e.end = e.start + 1 + r.Int64N(1<<(1+r.IntN(30)))
			e.call = int32(r.Uint32()>>1) * int32(r.IntN(2))
			if r.IntN(10) == 0 {
				e.call = -1
			}
			j.add(e, c)
			want = append(want, noted{e, c})
			e.start = e.end
		}
		at, gap = e.end, e.gap
		if at > 1<<61 {
			break
		}
	}
	i := 0
	j.each(func(e *entry) {
		if i == len(want) {
			t.Fatal("more comes back than was noted")
		}
		w := want[i]
		w.class = e.class
		if *e != w.entry || j.classes[e.class] != w.momentClass {
			t.Fatalf("moment %d came back as %+v of %+v, want %+v", i, *e, j.classes[e.class], w)
		}
		i++
	})
	if i != len(want) {
		t.Errorf("%d of %d moments came back", i, len(want))
	}
}
