package ebpf

import (
	"slices"
	"testing"
)

// stack is made of one byte a frame, deepest first: "a3" is function a at instruction 3.
func stackOf(text string) []probePyFrame {
	var out []probePyFrame
	for i := 0; i+1 < len(text); i += 2 {
		out = append(out, probePyFrame{Code: uint64(text[i]), Instruction: uint64(text[i+1])})
	}
	return out
}

// Of a wait whose deepest frame alone was read, the callers are those of the last whole stack that ended there.
func TestCallersOfADeepestFrame(t *testing.T) {
	var l lastStacks
	for i, c := range []struct {
		read    string
		topOnly bool
		want    string
		changed bool
		cut     bool
	}{
		{"r1q2m3", false, "r1q2m3", true, false},
		{"s1", true, "s1", true, true},  // nothing is known of s
		{"s1", true, "s1", false, true}, // still nothing
		{"s1p2q2m3", false, "s1p2q2m3", true, false},
		{"r1", true, "r1q2m3", true, false}, // the wait before was elsewhere
		{"r1", true, "r1q2m3", false, false},
		{"r5", true, "r5q2m3", true, false}, // elsewhere in the function of the last stack
		{"s1", true, "s1p2q2m3", true, false},
		{"s1q7m9", false, "s1q7m9", true, false}, // s has another caller now
		{"r1", true, "r1q2m3", true, false},
		{"s1", true, "s1q7m9", true, false},
		{"x9", true, "x9", true, true},
		{"x8", true, "x8", true, true}, // what was cut tells no callers
	} {
		changed := l.read(stackOf(c.read), c.topOnly)
		if changed != c.changed || l.cut != c.cut || !slices.Equal(l.frames, stackOf(c.want)) {
			t.Fatalf("read %d, %s: %v, changed %v, cut %v", i, c.read, l.frames, changed, l.cut)
		}
	}
}

func TestStacksOfAThreadAreBounded(t *testing.T) {
	var l lastStacks
	for i := range 10 * maxEndings {
		l.read([]probePyFrame{{Code: uint64(i), Instruction: 1}, {Code: 1}}, false)
	}
	if len(l.whole) > maxEndings {
		t.Errorf("%d are kept", len(l.whole))
	}
}
