package scene

import (
	"math/rand/v2"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// sums adds up what a lane holds, by key and in all.
func sums(l *lane) (byKey map[int32][2]int64, all [2]int64) {
	byKey = map[int32][2]int64{}
	for i := range l.items {
		for _, p := range l.items[i].parts[:l.items[i].n] {
			s := byKey[p.Key]
			byKey[p.Key] = [2]int64{s[0] + p.Ns, s[1] + p.Count}
			all[0] += p.Ns
			all[1] += p.Count
		}
	}
	return byKey, all
}

// someKeys are n kernels, numbered from 2; 1 is the rest of them.
func someKeys(n int) *keys {
	k := newKeys()
	for i := range n {
		k.of(name{class: k.class("kernel"), id: timeline.NameID(i + 1)}, "")
	}
	return k
}

const restKey = 1

// Whatever is merged, time and counts stay; a key keeps its own unless it found no room beside larger ones.
func TestMergingKeepsSums(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		window := int64(1) << (10 + r.IntN(40))
		numKeys := 1 + r.IntN(12)
		l := newLane(window, 400+r.IntN(4000), someKeys(numKeys))
		want, wantAll := map[int32][2]int64{}, [2]int64{}
		var longest int64
		for at := int64(0); at < window; {
			length := r.Int64N(1 + window>>(1+r.IntN(20)))
			end := min(window, at+length)
			key := int32(2 + r.IntN(numKeys))
			l.add(at, end, key)
			s := want[key]
			want[key] = [2]int64{s[0] + end - at, s[1] + 1}
			wantAll = [2]int64{wantAll[0] + end - at, wantAll[1] + 1}
			longest = max(longest, end-at)
			at += 1 + r.Int64N(1+length*2)
		}
		for {
			if l.weight > l.limit {
				t.Fatalf("seed %d: weight %d above its limit", seed, l.weight)
			}
			got, all := sums(l)
			if all != wantAll {
				t.Fatalf("seed %d, cells of %d: %v in all, want %v", seed, l.cell, all, wantAll)
			}
			for key, s := range got {
				if key != restKey && (s[0] > want[key][0] || s[1] > want[key][1]) {
					t.Fatalf("seed %d: key %d has %v, more than %v", seed, key, s, want[key])
				}
			}
			if numKeys <= mostParts && got[restKey] != [2]int64{} {
				t.Fatalf("seed %d: %d keys, and some have no room", seed, numKeys)
			}
			if got[otherKey] != [2]int64{} {
				t.Fatalf("seed %d: a kernel is no longer known to be one", seed)
			}
			checkShape(t, l, longest)
			if !l.coarsen() {
				break
			}
		}
		if len(l.items) != 1 {
			t.Errorf("seed %d: %d items when all is one cell", seed, len(l.items))
		}
	}
}

// checkShape: items are in order, what is long stands alone, and the weight is the sum of theirs.
func checkShape(t *testing.T, l *lane, longest int64) {
	t.Helper()
	weight, found := 0, int64(0)
	for i := range l.items {
		x := &l.items[i]
		weight += x.weight()
		if i > 0 && x.start < l.items[i-1].start || x.end < x.start || x.end > l.window {
			t.Fatalf("item %d is [%d, %d)", i, x.start, x.end)
		}
		if x.merged && l.cell == 0 {
			t.Fatalf("merged without a cell")
		}
		if !x.merged {
			found = max(found, x.end-x.start)
		}
	}
	if weight != l.heavy() {
		t.Fatalf("the weight is %d, kept as %d", weight, l.heavy())
	}
	if longest >= l.cell && found != longest {
		t.Fatalf("cells of %d, and the longest interval of %d is not whole", l.cell, longest)
	}
}

// Coarsening is hierarchical: it does not matter when a lane began to merge.
func TestMergingEarlyOrLateIsTheSame(t *testing.T) {
	fill := func(l *lane) {
		r := rand.New(rand.NewPCG(7, 7))
		for at := int64(0); at < l.window; at += 1 + r.Int64N(4000) {
			l.add(at, at+r.Int64N(3000), int32(2+r.IntN(3)))
		}
	}
	late := newLane(1<<22, 1<<30, someKeys(3))
	fill(late)
	early := newLane(1<<22, 2000, someKeys(3))
	fill(early)
	for late.cell < early.cell {
		late.coarsen()
	}
	if len(late.items) != len(early.items) {
		t.Fatalf("%d items when merged at the end, %d when merged on the way", len(late.items), len(early.items))
	}
	for i := range late.items {
		if a, b := &late.items[i], &early.items[i]; a.start != b.start || a.end != b.end || a.merged != b.merged {
			t.Fatalf("item %d: [%d, %d) and [%d, %d)", i, a.start, a.end, b.start, b.end)
		}
	}
}

// What there are few of is kept as it is.
func TestNothingIsMergedThatFits(t *testing.T) {
	l := newLane(1e9, 1000, someKeys(1))
	for i := range int64(50) {
		l.add(i*1000, i*1000+1, 2)
	}
	if l.cell != 0 || len(l.items) != 50 {
		t.Errorf("%d items, cells of %d", len(l.items), l.cell)
	}
}

// Of many keys the largest keep their names.
func TestLargestPartsKeepTheirKeys(t *testing.T) {
	l := newLane(1<<20, 1<<20, someKeys(40))
	for i := range int64(40) {
		l.add(i*100, i*100+1+i, int32(2+i))
	}
	for l.coarsen() {
	}
	x := &l.items[0]
	if int(x.n) != mostParts {
		t.Fatalf("%d parts", x.n)
	}
	named := 0
	for _, p := range x.parts {
		if p.Key >= int32(40-mostParts+3) {
			named++
		}
	}
	if named != mostParts-1 {
		t.Errorf("of the largest, %d have their names: %v", named, x.parts)
	}
}

// Of more classes than there is room for, the sums stay.
func TestManyClasses(t *testing.T) {
	k := newKeys()
	for i := range 20 {
		k.of(name{class: k.class(string(rune('a' + i))), id: 7}, "")
	}
	l := newLane(1<<20, 1<<20, k)
	var want int64
	for i := range int64(len(k.list)) {
		l.add(i*100, i*100+50+i%7, int32(i))
		want += 50 + i%7
	}
	for l.coarsen() {
	}
	if _, all := sums(l); all != [2]int64{want, int64(len(k.list))} {
		t.Errorf("%v in all, want %d in %d", all, want, len(k.list))
	}
}
