package timeline

import (
	"reflect"
	"testing"
)

func TestWindowsAreClippedToTheCell(t *testing.T) {
	cell := Interval{100, 1000}
	for name, c := range map[string]struct {
		in, want []Window
		repaired int64
	}{
		"none":              {nil, nil, 0},
		"around everything": {[]Window{{0, 2000, 9, 5}}, []Window{{100, 1000, 9, 0}}, 0},
		"the first begins with the cell, though capture began later": {[]Window{{300, 400, 1, 7}, {600, 1200, 2, 3}},
			[]Window{{100, 400, 1, 0}, {600, 1000, 2, 3}}, 0},
		"before the cell": {[]Window{{0, 50, 1, 0}, {60, 90, 1, 3}, {400, 500, 2, 8}},
			[]Window{{100, 100, 1, 0}, {400, 500, 2, -1}}, 0},
		"into the cell": {[]Window{{0, 50, 1, 0}, {60, 190, 1, 3}, {400, 500, 2, 8}},
			[]Window{{100, 190, 1, 0}, {400, 500, 2, 8}}, 0},
		"after the cell":     {[]Window{{0, 500, 1, 0}, {1000, 1100, 4, 4}}, []Window{{100, 500, 1, 0}}, 0},
		"not in order":       {[]Window{{0, 500, 1, 0}, {450, 600, 1, 1}, {700, 600, 1, 1}, {800, 900, 1, 6}}, []Window{{100, 500, 1, 0}, {800, 900, 1, -1}}, 2},
		"impossible numbers": {[]Window{{0, 200, -5, 0}, {300, 400, 1, -7}}, []Window{{100, 200, 0, 0}, {300, 400, 1, -1}}, 0},
	} {
		b := NewBuilder()
		for _, w := range c.in {
			b.AddWindow(w)
		}
		tl := must(t, b.Build(cell))
		if !reflect.DeepEqual(tl.Windows, c.want) || lost(tl, "windows of capture") != c.repaired {
			t.Errorf("%s: %v, want %v; losses %v", name, tl.Windows, c.want, tl.Losses)
		}
	}
}

func TestUntilCutsWindows(t *testing.T) {
	b := NewBuilder()
	for _, w := range []Window{{100, 300, 1, 0}, {500, 700, 1, 4}, {800, 900, 1, 2}} {
		b.AddWindow(w)
	}
	tl := b.Build(Interval{100, 1000})
	for end, want := range map[int64][]Window{600: {{100, 300, 1, 0}, {500, 600, 1, 4}}, 400: {{100, 300, 1, 0}}, 100: {{100, 100, 1, 0}}, 50: {{100, 100, 1, 0}}} {
		if got := must(t, tl.Until(end)); !reflect.DeepEqual(got.Windows, want) {
			t.Errorf("until %d: %v, want %v", end, got.Windows, want)
		}
	}
}

func TestCheckOfWindows(t *testing.T) {
	for name, list := range map[string][]Window{"begins late": {{5, 20, 0, 0}}, "inverted": {{0, 20, 0, 0}, {30, 25, 0, 0}}, "overlaps": {{0, 20, 0, 0}, {10, 30, 0, 0}},
		"ends late": {{0, 200, 0, 0}}, "missed before the first": {{0, 20, 0, 1}}, "negative": {{0, 20, -1, 0}}, "unknown twice": {{0, 20, 0, 0}, {30, 40, 0, -2}}} {
		tl := NewBuilder().Build(Interval{0, 100})
		tl.Windows = list
		if tl.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
