package ebpf

import (
	"math"
	"testing"
)

func TestVisibleLine(t *testing.T) {
	for _, c := range []struct {
		line   int32
		offset int
		want   int32
	}{
		{3, 0, 3}, {3, 2, 5}, {3, -2, 1}, {0, 2, 0}, {-1, 2, 0},
		// Whatever a client sends, a line stays one.
		{3, -3, 0}, {3, math.MinInt, 0}, {3, math.MaxInt, 0}, {math.MaxInt32, 1, 0}, {maxLine, 1, 0}, {maxLine, 0, maxLine},
	} {
		if got := visibleLine(c.line, c.offset); got != c.want {
			t.Errorf("line %d with offset %d is shown as %d, want %d", c.line, c.offset, got, c.want)
		}
	}
}
