package ebpf

import "slices"

// maxEndings bounds the whole stacks that are kept of a thread: it waits in tens of places.
const maxEndings = 256

// lastStacks are the stacks of one thread's waits. A thread that waits often has its deepest frame read alone at most
// waits; the callers are then those of its last stack, if that was in the same function, or of the last whole stack
// that ended at the same instruction.
type lastStacks struct {
	frames []probePyFrame
	// cut says that frames is a deepest frame whose callers are not known.
	cut bool
	// whole has the callers of the last whole stack by its deepest frame. They are shared with nothing.
	whole map[probePyFrame][]probePyFrame
}

// read takes note of the frames of a wait, deepest first, or of the deepest alone, and says whether the stack in
// l.frames is another one than before.
func (l *lastStacks) read(frames []probePyFrame, topOnly bool) (changed bool) {
	top := frames[0]
	switch {
	case !topOnly:
		changed = !slices.Equal(l.frames, frames)
		if changed {
			l.frames = append(l.frames[:0], frames...)
		}
		l.cut = false
		if !slices.Equal(l.whole[top], frames[1:]) {
			if l.whole == nil || len(l.whole) >= maxEndings {
				l.whole = map[probePyFrame][]probePyFrame{}
			}
			l.whole[top] = slices.Clone(frames[1:])
		}
		return changed
	case len(l.frames) > 0 && l.frames[0] == top && !l.cut:
		return false
	}
	if len(l.frames) > 0 && l.frames[0].Code == top.Code && !l.cut {
		l.frames[0] = top
		return true
	}
	if callers, ok := l.whole[top]; ok {
		l.frames, l.cut = append(append(l.frames[:0], top), callers...), false
		return true
	}
	changed = !slices.Equal(l.frames, frames[:1])
	l.frames, l.cut = append(l.frames[:0], top), true
	return changed
}
