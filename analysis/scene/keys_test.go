package scene

import (
	"math/rand/v2"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// A name is found by its own key from when it has one, and by that of the rest before, whatever else was asked meanwhile.
func TestFind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	k := newKeys()
	own := map[name]int32{}
	classes := []class{k.class("kernel"), k.class("line")}
	for i := range 20_000 {
		n := name{class: classes[r.IntN(2)], id: timeline.NameID(1 + r.IntN(300)), line: int32(r.IntN(2))}
		if r.IntN(200) == 0 {
			own[n] = k.of(n, "")
		}
		want, ok := own[n]
		if !ok {
			want = k.of(name{class: n.class}, "")
		}
		if got := k.find(n); got != want {
			t.Fatalf("question %d: %+v is %d, want %d", i, n, got, want)
		}
	}
}
