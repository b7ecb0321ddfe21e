package findings

import (
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// waitNs is how soon after a copy's call a wait for the device belongs to it: a framework that
// copies and then waits does nothing in between.
const waitNs = 20_000

var synchronousCopies = Rule{
	ID:    "synchronous-copies",
	Title: "The host waits for each copy",
	Sees: "Copies of pinned or device memory, and sets, whose call returned only when they were done, or was followed at once by a wait for them; " +
		"and how long no kernel ran meanwhile.",
	Bad: "Memory that is pinned already can be copied while the host launches the next kernels and the GPU computes. A blocking " +
		"copy gives that away: the host stands still, and then the GPU waits for the host.",
	Silent: "It is silent below 10 such copies, for copies of less than 64 KiB on average (those read results: `sync-in-loop`), below 5% of the " +
		"cell's wall or 20 ms, and for pageable memory, of which `pageable-copies` speaks.",
	Do: "Copy with `non_blocking=True` (in CUDA: `cudaMemcpyAsync` on a stream of its own), and wait for the copy just before its buffer is " +
		"used again.",
	Change: "copy without waiting",
	Effort: result.Easy,
	Before: `for batch in pinned_batches:
    x = batch.cuda()
    step(x)`,
	After: `for batch in pinned_batches:
    x = batch.cuda(non_blocking=True)
    step(x)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		if !e.Attribution.GPU.Owned() {
			return nil
		}
		found := e.awaitedCopies()
		var ns, bytes int64
		lines := map[int32]int64{}
		for _, c := range found {
			ns, bytes = ns+c.exposed, bytes+c.bytes
			lines[c.line] += c.exposed
		}
		n := int64(len(found))
		if n < manySyncs || bytes/n < smallCopy || !e.worth(ns) {
			return nil
		}
		line := e.lineOf(largest(lines))
		what := "copies"
		if slices.ContainsFunc(found, func(c awaited) bool { return c.set }) {
			what = "copies and sets"
		}
		f := r.finding(e, line, ns, "The host waited for "+phrase.Count(n, what, what)+" of memory that is not pageable, "+phrase.Bytes(bytes)+
			" in all; no kernel ran for "+e.wall(ns)+" of that"+largestOn(line)+".")
		held := lengths{}
		for _, c := range found {
			held[phrase.Round(c.held)]++
		}
		f.Why = append(f.Why, "Each held its thread up for "+phrase.Duration(held.median())+" in the median, from the call's begin to the end of the wait for it.")
		f.Spans = e.callSpans(found)
		return []result.Finding{f}
	},
}

// awaited is a copy or a set that the host waited for, for held ns; exposed is the time meanwhile in which no kernel ran.
type awaited struct {
	call        int32
	line        int32
	bytes, held int64
	exposed     int64
	set         bool
}

// awaitedCopies are the copies and sets of non-pageable memory that hold the host up.
func (e *Evidence) awaitedCopies() []awaited {
	tl := e.Attribution.Timeline()
	calls := &tl.Calls
	type copied struct {
		end, bytes int64
		meant, set bool
	}
	var all []copied
	of := make([]int32, calls.Len()) // by call: one more than its index in all, 0 for none
	for i := range tl.Devices {
		ops := &tl.Devices[i].Ops
		for row, kind := range ops.Kind {
			call := ops.Call[row]
			if kind == timeline.OpKernel || call < 0 || ops.Graph[row] != 0 {
				continue
			}
			if of[call] == 0 {
				all = append(all, copied{meant: true})
				of[call] = int32(len(all))
			}
			c := &all[of[call]-1]
			c.meant = c.meant && ops.Source[row] != timeline.MemoryPageable && ops.Target[row] != timeline.MemoryPageable
			c.set = c.set || kind == timeline.OpMemset
			c.end, c.bytes = max(c.end, ops.End[row]), c.bytes+ops.Bytes[row]
		}
	}
	if len(all) < manySyncs {
		return nil
	}
	busy := kernelCover(tl)
	next := followers(tl)
	var out []awaited
	for row, at := range of {
		if at == 0 || !all[at-1].meant {
			continue
		}
		c := &all[at-1]
		end := calls.End[row]
		blocking := c.end <= end && !strings.Contains(tl.Names.String(calls.Name[row]), "Async")
		if n := next[row]; !blocking && n >= 0 && calls.Class[n] == timeline.CallSync && calls.Start[n]-end <= waitNs {
			blocking, end = true, calls.End[n]
		}
		if blocking {
			start, end := calls.Start[row], min(end, tl.Extent.End)
			out = append(out, awaited{call: int32(row), line: e.Attribution.CallLine(int32(row)), bytes: c.bytes, held: end - start,
				exposed: busy.free(start, end), set: c.set})
		}
	}
	return out
}

// followers is, for each call, the call that its thread made next; -1 for none.
func followers(tl *timeline.Timeline) []int32 {
	out := make([]int32, tl.Calls.Len())
	last := make([]int32, len(tl.Threads))
	for i := range last {
		last[i] = -1
	}
	for row, thread := range tl.Calls.Thread {
		out[row] = -1
		if at := last[thread]; at >= 0 && tl.Calls.Start[row] >= tl.Calls.End[at] {
			out[at] = int32(row)
		}
		last[thread] = int32(row)
	}
	return out
}

// cover is when a kernel ran on any device, as far as it is asked for: of a long cell only what may be asked for yet is kept.
type cover struct {
	tl   *timeline.Timeline
	rows []int               // by device: the first operation that was not looked at
	list []timeline.Interval // in order and apart
}

func kernelCover(tl *timeline.Timeline) *cover {
	return &cover{tl: tl, rows: make([]int, len(tl.Devices))}
}

// next is the device whose next kernel begins first, -1 when none is left.
func (c *cover) next() int {
	first := -1
	for i := range c.tl.Devices {
		ops := &c.tl.Devices[i].Ops
		for c.rows[i] < ops.Len() && ops.Kind[c.rows[i]] != timeline.OpKernel {
			c.rows[i]++
		}
		if c.rows[i] < ops.Len() && (first < 0 || ops.Start[c.rows[i]] < c.tl.Devices[first].Ops.Start[c.rows[first]]) {
			first = i
		}
	}
	return first
}

// free is how much of [start, end) is not covered. start must not go backwards.
func (c *cover) free(start, end int64) int64 {
	for len(c.list) > 0 && c.list[0].End <= start {
		c.list = c.list[1:]
	}
	for i := c.next(); i >= 0; i = c.next() {
		ops, row := &c.tl.Devices[i].Ops, c.rows[i]
		if ops.Start[row] >= end {
			break
		}
		c.rows[i]++
		if n := len(c.list); n > 0 && ops.Start[row] <= c.list[n-1].End {
			c.list[n-1].End = max(c.list[n-1].End, ops.End[row])
		} else if ops.End[row] > start {
			c.list = append(c.list, timeline.Interval{Start: ops.Start[row], End: ops.End[row]})
		}
	}
	ns := max(end-start, 0)
	for _, x := range c.list {
		if x.Start >= end {
			break
		}
		ns -= max(min(x.End, end)-max(x.Start, start), 0)
	}
	return ns
}

// callSpans are the calls that cost most, each with what followed it up to its wait.
func (e *Evidence) callSpans(list []awaited) []result.Span {
	var longest []awaited
	for _, c := range list {
		keepLongest(&longest, c, func(c awaited) int64 { return c.exposed })
	}
	out := []result.Span{}
	for _, c := range longest {
		out = append(out, e.callSpan(c.call))
	}
	return inOrder(out)
}
