package result

import "github.com/inferscope/inferscope/analysis/timeline"

// Scene is what the interactive timeline draws: as much of the timeline as a
// report can hold (analysis/scene). Its size is bounded whatever the trace. Times
// are ns from Window.Start, unlike those of Picture.
type Scene struct {
	// Window is Timeline.Extent; the zero Interval when there is nothing to draw.
	Window timeline.Interval
	// CodeNs is when the cell's own code ended: only devices worked after it.
	CodeNs int64
	// Keys are what items are about. Key 0 stands for whatever found no room for a key of its own.
	Keys   []SceneKey
	Lanes  []SceneLane
	Series []SceneSeries
	Arrows []SceneArrow
}

// SceneKey is what time of a lane is about.
type SceneKey struct {
	// Class is one of Slice.Class; of a call "call_launch" and the like, by its timeline.CallClass.
	Class string
	// Label is a name: of a kernel, a call, a scope, or the text of a line. Hostile text, cut.
	Label string
	// Line is the line of the cell that the time belongs to, 0 when none is known.
	Line int32
}

// The kinds of lane of a Scene alone.
const (
	// LaneCalls is a thread's CUDA calls.
	LaneCalls LaneKind = "calls"
	// LaneRanges is the code that was active in a thread, of one depth, as a trace marks it.
	LaneRanges LaneKind = "ranges"
)

// SceneLane is one row of the timeline.
type SceneLane struct {
	Kind LaneKind
	// Name is a thread's name, a stream's, or of what kind the lane is. Hostile text, cut.
	Name string
	// Thread is the row in Timeline.Threads of a thread's lane, of its calls and ranges, 0 for others.
	Thread timeline.ThreadID
	// Device and Stream are those of a stream's lane; Device is that of the idle lane too, -1 for others.
	Device int32
	Stream uint32
	// MergedNs is the resolution: what is shorter was merged with its neighbours. 0 when nothing was.
	MergedNs int64
	// Items are sorted by Start.
	Items []SceneItem
}

// SceneItem is one interval of a lane, or several short neighbours merged.
type SceneItem struct {
	Start, End int64
	// Parts are what it is made of, the longest first; one part for what was not merged.
	Parts []ScenePart
}

// ScenePart is time with one key. The parts of all items of a lane sum to what the
// timeline holds of it, exactly, whatever was merged.
type ScenePart struct {
	// Key is an index into Scene.Keys.
	Key int32
	// Ns is the sum of the lengths, Count how many intervals there were.
	Ns, Count int64
}

// SceneSeries is a quantity over time.
type SceneSeries struct {
	// Name and Unit are those of the timeline.Counter. Hostile text, cut.
	Name, Unit string
	// Time is sorted; Low and High are the extremes of the samples from there to the next
	// point, the same where there was one sample. The three have one length.
	Time      []int64
	Low, High []float64
}

// SceneArrow leads from a call to an operation that it launched.
type SceneArrow struct {
	// FromLane and ToLane are rows of Scene.Lanes; From is when the call began, To when the operation did.
	FromLane, ToLane int32
	From, To         int64
}
