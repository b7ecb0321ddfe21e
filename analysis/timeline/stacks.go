package timeline

import "sync"

// FrameID refers to an interned Frame. 0 is "no frame".
type FrameID uint32

// Bounds on stacks. A stack of more than MaxDepth frames keeps its deepest ones
// and its outermost ones (where the cell's own frame is), and loses the middle.
const (
	MaxDepth       = 192
	keptOutermost  = 64
	maxStackNodes  = 4 << 20
	maxStackFrames = 1 << 20
)

// Stacks is a table of interned call stacks, kept as a tree: a stack is its
// deepest frame and the stack of its caller. The zero value holds no stack.
type Stacks struct {
	frames []Frame
	parent []StackID
	frame  []FrameID
}

// Len is the number of stacks, "no stack" included.
func (s *Stacks) Len() int { return max(len(s.parent), 1) }

// Deepest is the deepest frame of a stack; false for "no stack".
func (s *Stacks) Deepest(id StackID) (Frame, bool) {
	if id == 0 || int(id) >= len(s.parent) {
		return Frame{}, false
	}
	return s.frames[s.frame[id]], true
}

// Caller is the stack without its deepest frame; 0 at the outermost.
func (s *Stacks) Caller(id StackID) StackID {
	if int(id) >= len(s.parent) {
		return 0
	}
	return s.parent[id]
}

// Frames appends the frames of a stack to dst, deepest first.
func (s *Stacks) Frames(id StackID, dst []Frame) []Frame {
	for ; id != 0 && int(id) < len(s.parent); id = s.parent[id] {
		dst = append(dst, s.frames[s.frame[id]])
	}
	return dst
}

type stackNode struct {
	parent StackID
	frame  FrameID
}

// stackTable interns frames and stacks; safe for concurrent use.
type stackTable struct {
	mu       sync.RWMutex
	frameIDs map[Frame]FrameID
	nodes    map[stackNode]StackID
	stacks   Stacks
	overflow int64
}

func newStackTable() *stackTable {
	return &stackTable{
		frameIDs: map[Frame]FrameID{},
		nodes:    map[stackNode]StackID{},
		stacks:   Stacks{frames: make([]Frame, 1), parent: make([]StackID, 1), frame: make([]FrameID, 1)},
	}
}

func (t *stackTable) internFrame(f Frame) FrameID {
	t.mu.RLock()
	id, ok := t.frameIDs[f]
	t.mu.RUnlock()
	if ok {
		return id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.frameIDs[f]; ok {
		return id
	}
	if len(t.stacks.frames) >= maxStackFrames {
		t.overflow++
		return 0
	}
	id = FrameID(len(t.stacks.frames))
	t.stacks.frames = append(t.stacks.frames, f)
	t.frameIDs[f] = id
	return id
}

func (t *stackTable) intern(deepestFirst []FrameID) StackID {
	if len(deepestFirst) == 0 {
		return 0
	}
	t.mu.RLock()
	id, known := t.walk(deepestFirst, false)
	t.mu.RUnlock()
	if known {
		return id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id, _ = t.walk(deepestFirst, true)
	return id
}

// walk follows a stack from its outermost frame down the tree. Without add it
// stops at the first node that is missing and returns false.
func (t *stackTable) walk(deepestFirst []FrameID, add bool) (StackID, bool) {
	var at StackID
	for i := len(deepestFirst) - 1; i >= 0; i-- {
		if len(deepestFirst) > MaxDepth && i == len(deepestFirst)-1-keptOutermost {
			i = MaxDepth - keptOutermost - 1
		}
		f := deepestFirst[i]
		if f == 0 || int(f) >= len(t.stacks.frames) {
			continue
		}
		next, ok := t.nodes[stackNode{at, f}]
		if !ok {
			if !add {
				return 0, false
			}
			if next, ok = t.node(at, f); !ok {
				return at, true
			}
		}
		at = next
	}
	return at, true
}

// node adds the node of a frame and its caller; false when the table is full.
func (t *stackTable) node(caller StackID, f FrameID) (StackID, bool) {
	if len(t.stacks.parent) >= maxStackNodes {
		t.overflow++
		return caller, false
	}
	next := StackID(len(t.stacks.parent))
	t.stacks.parent = append(t.stacks.parent, caller)
	t.stacks.frame = append(t.stacks.frame, f)
	t.nodes[stackNode{caller, f}] = next
	return next, true
}

func (t *stackTable) called(caller StackID, f FrameID) StackID {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f == 0 || int(f) >= len(t.stacks.frames) || int(caller) >= len(t.stacks.parent) {
		return caller
	}
	if id, ok := t.nodes[stackNode{caller, f}]; ok {
		return id
	}
	id, _ := t.node(caller, f)
	return id
}
