package html

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/report/internal/fixtures"
)

// A line's copies and sets are counted together: in a cell that only sets memory none is called a copy.
func TestSetsAreNoCopies(t *testing.T) {
	r := fixtures.CallsOnly()
	synced := fixtures.SyncInLoop()
	r.Devices = synced.Devices[:1]
	for _, c := range []struct {
		copies, sets int64
		want, never  string
	}{{100, 0, ">100\u00a0copies<", "sets<"}, {100, 100, ">100\u00a0copies<", "sets<"}, {0, 100, ">100\u00a0sets<", "copies<"}} {
		r.Devices[0].Memcpys, r.Devices[0].Memsets, r.Devices[0].Copies = c.copies, c.sets, nil
		var p page
		source(&p, r, generous)
		if got := p.b.String(); !strings.Contains(got, c.want) || strings.Contains(got, c.never) {
			t.Errorf("%d copies, %d sets: no %q, or %q, in %s", c.copies, c.sets, c.want, c.never, got)
		}
	}
}
