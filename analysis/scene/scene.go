// Package scene chooses what of a timeline the interactive report holds.
//
// A report must stay small whatever the trace. Every lane therefore has a limit on
// what it may weigh, and what is too short for the resolution that the limit
// leaves is merged with its neighbours: an item then says how much of what it
// stands for, so that sums over any stretch stay right, and long intervals, which
// are what one looks for, stay as they were. A lane that fits is kept as it is.
package scene

import (
	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Limits on the weight of a scene, in bytes of variable-length numbers. Deflated and
// in base 64 that is rarely more, and never much more, than the same number of bytes.
const (
	mostWeight = 200_000 // of all lanes
	mostOfLane = 80_000  // of one while it is filled
)

// Limits on the numbers of lanes, and of what else there is.
const (
	mostScopes  = 4 // nested ones
	mostRanges  = 3 // nested ones, of each of mostCallers threads
	mostThreads = 10
	mostCallers = 3
	mostStreams = 6 // of a device
	mostDevices = 4
	mostSeries  = 12
	mostPoints  = 200 // of a series
	mostArrows  = 1200
)

// Of makes the scene of a timeline, from what was found out about it. cell is the
// source as the user sees it. It reads both and changes neither.
func Of(tl *timeline.Timeline, cell result.Cell, a *attribution.Attribution) result.Scene {
	s := &stage{tl: tl, keys: newKeys(), window: tl.Extent.Ns()}
	out := result.Scene{Keys: []result.SceneKey{}, Lanes: []result.SceneLane{}, Series: []result.SceneSeries{}, Arrows: []result.SceneArrow{}}
	if s.window <= 0 {
		return out
	}
	out.Window, out.CodeNs = tl.Extent, tl.Window.Ns()
	s.lines(cell)
	s.scopes()
	s.marks()
	s.ranges()
	s.devices(a)
	s.threads()
	s.collections()
	s.fit()
	for _, d := range s.drafts {
		d.SceneLane.MergedNs, d.SceneLane.Items = d.lane.cell, d.lane.sceneItems()
		out.Lanes = append(out.Lanes, d.SceneLane)
	}
	out.Keys, out.Series, out.Arrows = s.keys.list, series(tl), s.arrows()
	return out
}

// stage is a scene while it is made.
type stage struct {
	tl     *timeline.Timeline
	keys   *keys
	window int64
	drafts []*draft
	// opLanes are the lanes of streams, callLanes those of threads with calls.
	opLanes   map[streamKey]int32
	callLanes map[timeline.ThreadID]int32
}

// draft is a lane that is not finished; share is the part of the weight that it is worth.
type draft struct {
	result.SceneLane
	lane  *lane
	share int
}

// open begins a lane.
func (s *stage) open(kind result.LaneKind, name string, share int) *draft {
	return &draft{result.SceneLane{Kind: kind, Name: name, Device: -1}, newLane(s.window, mostOfLane, s.keys), share}
}

// keep adds a lane that has something in it, and says where; -1 when it has nothing.
func (s *stage) keep(d *draft) int32 {
	if len(d.lane.items) == 0 {
		return -1
	}
	s.drafts = append(s.drafts, d)
	return int32(len(s.drafts) - 1)
}

// add puts an interval of the timeline's clock into a lane.
func (s *stage) add(d *draft, start, end int64, key int32) {
	d.lane.add(start-s.tl.Extent.Start, end-s.tl.Extent.Start, key)
}

// fit coarsens the lane that is heaviest for what it is worth, until all of them fit.
func (s *stage) fit() {
	total := 0
	for _, d := range s.drafts {
		total += d.lane.heavy()
	}
	for total > mostWeight {
		var worst *draft
		for _, d := range s.drafts {
			if d.lane.cell <= s.window && (worst == nil || d.lane.heavy()*worst.share > worst.lane.heavy()*d.share) {
				worst = d
			}
		}
		if worst == nil {
			return
		}
		total -= worst.lane.heavy()
		worst.lane.coarsen()
		total += worst.lane.heavy()
	}
}
