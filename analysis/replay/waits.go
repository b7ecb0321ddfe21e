package replay

import (
	"sort"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// syncKind says what a call waits for, as its name tells.
type syncKind uint8

const (
	syncNone syncKind = iota
	// syncDevice waits for all that was launched.
	syncDevice
	// syncStream waits for one stream; which one no record tells.
	syncStream
	// syncEvent waits for an event; which one no record tells.
	syncEvent
	// eventRecord and eventWait are calls that order streams.
	eventRecord
	eventWait
)

// maxStreams is up to how many streams are looked at to find what a call waited for; past
// them only the stream that the thread launched on last is.
const maxStreams = 64

// stream is one stream of one device, as the walk knows it.
type stream struct {
	ops      []int32 // its operations, in order of start
	launches []int32 // the first operation of each launch, in the order of the calls
	last     int32   // the operation of those that began which is done last, -1 for none
	lastEnd  int64
	issued   int32 // the operation launched last so far, -1 for none
	room     int32 // how many launches are done
	turns    turns
}

// streams are those of all devices.
type streams struct {
	list []stream
	at   map[uint64]int32
	of   []int32 // by call: the last operation that it launched, -1 for none
	nth  []int32 // by call: which launch of its stream it is
	// after is, by call, the operation behind the event that it waits for, -1 for none; nil while no call does.
	after []int32
}

func newStreams(calls int) *streams {
	return &streams{at: map[uint64]int32{}, of: unset(calls), nth: unset(calls)}
}

// eventOf is the operation behind the event that a call waits for, -1 for none.
func (s *streams) eventOf(call int32) int32 {
	if s.after == nil {
		return nobody
	}
	return s.after[call]
}

func (s *streams) index(device int32, id uint32) int32 {
	key := uint64(device)<<32 | uint64(id)
	i, ok := s.at[key]
	if !ok {
		i = int32(len(s.list))
		s.at[key] = i
		s.list = append(s.list, stream{last: -1, issued: -1, turns: turns{-1, -1, -1}})
	}
	return i
}

// streams lists each stream's operations.
func (b *builder) streams() {
	s := b.s
	var ops, launches []int32 // how many, by stream
	device, last, of := nobody, uint32(0), nobody
	for k := range b.stream {
		x := opRow{0, int32(k)}
		if b.g.order != nil {
			x = b.g.order[k]
		}
		table := &b.tl.Devices[x.device].Ops
		if id := table.Stream[x.row]; x.device != device || id != last {
			device, last, of = x.device, id, s.index(x.device, id)
			for len(ops) < len(s.list) {
				ops, launches = append(ops, 0), append(launches, 0)
			}
		}
		b.stream[k] = of
		ops[of]++
		if call := table.Call[x.row]; call >= 0 {
			if s.of[call] < 0 {
				s.nth[call] = launches[of]
				launches[of]++
			}
			s.of[call] = int32(k)
		}
	}
	for i := range s.list {
		s.list[i].ops, s.list[i].launches = make([]int32, 0, ops[i]), make([]int32, 0, launches[i])
	}
	seen := make([]bool, len(s.of))
	for k, of := range b.stream {
		x := &s.list[of]
		x.ops = append(x.ops, int32(k))
		if call := b.call(int32(k)); call >= 0 && !seen[call] {
			seen[call] = true
			x.launches = append(x.launches, int32(k))
		}
	}
}

// before is the operation that another follows on its stream, -1 for none. Nodes of one
// graph may run side by side: then none.
func (b *builder) before(x *stream, o *opFacts) int32 {
	if x.last < 0 || o.call >= 0 && b.end(x.last) > o.start+skewNs && b.call(x.last) == o.call {
		return nobody
	}
	return x.last
}

// class is what a call waits for.
func (b *builder) class(call int32) syncKind {
	c := &b.tl.Calls
	if c.Class[call] != timeline.CallSync && c.Class[call] != timeline.CallEvent {
		return syncNone
	}
	k, ok := b.classes[c.Name[call]]
	if !ok {
		name := b.tl.Names.String(c.Name[call])
		switch {
		case c.Class[call] == timeline.CallEvent && strings.Contains(name, "WaitEvent"):
			k = eventWait
		case c.Class[call] == timeline.CallEvent && strings.Contains(name, "EventRecord"):
			k = eventRecord
		case c.Class[call] == timeline.CallEvent:
			k = syncNone
		case strings.Contains(name, "StreamSynchronize"):
			k = syncStream
		case strings.Contains(name, "EventSynchronize"):
			k = syncEvent
		default:
			k = syncDevice
		}
		b.classes[c.Name[call]] = k
	}
	return k
}

// called notes what a call that begins launches, and which event that waits for. No record
// tells which event: it is taken to be the one recorded last, behind what its thread had launched.
func (b *builder) called(call int32, st *threadState) {
	switch b.class(call) {
	case eventRecord:
		b.recorded = st.last
	case eventWait:
		st.event = b.recorded
	}
	k := b.s.of[call]
	if k < 0 {
		return
	}
	if st.event != nobody {
		if b.s.after == nil {
			b.s.after = unset(len(b.s.of))
		}
		b.s.after[call], st.event = st.event, nobody
	}
	st.last, st.stream = k, b.stream[k]
	b.s.list[st.stream].issued = k
}

// waits makes the edges from operations that the return of a call waited for, or would have
// had to, and gives what is left of own, the time since the thread's last moment.
func (b *builder) waits(p *point, since, own int64) int64 {
	begin := b.tl.Calls.Start[p.call]
	switch class := b.tl.Calls.Class[p.call]; {
	case class == timeline.CallLaunch:
		return b.queue(p, since, own)
	case class == timeline.CallCopy:
		// One that is done when its call returns was waited for, unless it was launched and done in between by chance.
		if k := b.s.of[p.call]; k >= 0 && (b.end(k) <= p.at+skewNs || b.staged(k, p.at)) {
			return b.await(edgeWait, k, p, since, own, callNs)
		}
		return own
	case class == timeline.CallAlloc:
		// Freeing memory waits for the device. That it did shows in an end right before its return.
		if p.at-begin >= wokenNs {
			if k := b.lastDone(begin, p.at); k >= 0 && p.at-b.end(k) <= promptNs {
				return b.await(edgeWait, k, p, since, own, callNs)
			}
		}
		return own
	}
	switch b.class(p.call) {
	case syncDevice:
		own = b.awaitAll(p, since, own)
	case syncStream:
		k := int32(-1)
		if len(b.s.list) <= maxStreams {
			for i := range b.s.list {
				if x := b.s.list[i].issued; x >= 0 && b.end(x) > begin && b.end(x) <= p.at+skewNs && (k < 0 || b.end(x) > b.end(k)) {
					k = x
				}
			}
		}
		if of := b.threads[p.thread].stream; k < 0 && of >= 0 {
			k = b.s.list[of].issued
		}
		if k >= 0 && b.end(k) <= p.at+skewNs {
			own = b.await(edgeWait, k, p, since, own, callNs)
		}
	case syncEvent:
		if k := b.lastDone(begin, p.at); k >= 0 {
			own = b.await(edgeWait, k, p, since, own, callNs)
		}
	}
	return own
}

// staged says that a call moved pageable memory to the device through a buffer, and returned when
// the last piece was on its way: it waited for all of the copy but that.
func (b *builder) staged(k int32, returned int64) bool {
	o := b.op(k)
	return o.ops.Source[o.row] == timeline.MemoryPageable && o.end-returned <= promptNs &&
		(returned-o.start)*10 >= (o.end-o.start)*9
}

// await adds the edge from the end of operation k to a moment. Where that moment is seen to
// have waited, the edge carries the rest of the time, and the thread's own work is at most least.
func (b *builder) await(kind edgeKind, k int32, p *point, since, own, least int64) int64 {
	from := b.opNode[k]
	if from < 0 {
		return own // it has not begun: it lasts no time, and this moment is its begin
	}
	end := b.end(k)
	if end <= since {
		b.edge(kind, from, 0)
		return own
	}
	b.edge(kind, from, p.at-end)
	return min(own, least)
}

// awaitAll makes the edges of a call that waits for all streams. The one that was done last
// held it up and carries the time from there; the others carry no more than that.
func (b *builder) awaitAll(p *point, since, own int64) int64 {
	last := int32(-1)
	done := func(k int32) bool { return k >= 0 && b.opNode[k] >= 0 && b.end(k) <= p.at+skewNs }
	for i := range b.s.list {
		if k := b.s.list[i].issued; done(k) && (last < 0 || b.end(k) > b.end(last)) {
			last = k
		}
	}
	if last < 0 {
		return own
	}
	own = b.await(edgeWait, last, p, since, own, callNs)
	lag := b.g.edges.lag(*b.g.edges.newest())
	for i := range b.s.list {
		if k := b.s.list[i].issued; k != last && done(k) {
			b.edge(edgeWait, b.opNode[k], min(lag, p.at-b.end(k)))
		}
	}
	return own
}

// lastDone is the operation that ended last in (from, to], of those that began before from
// or were launched by then; -1 for none.
func (b *builder) lastDone(from, to int64) int32 {
	best := int32(-1)
	if len(b.s.list) > maxStreams {
		return best
	}
	for i := range b.s.list {
		ops := b.s.list[i].ops
		n := sort.Search(len(ops), func(x int) bool { return b.start(ops[x]) >= to })
		for n--; n >= 0; n-- {
			o := b.op(ops[n])
			if o.end > to+skewNs || o.call >= 0 && b.tl.Calls.Start[o.call] >= from {
				continue
			}
			if o.end > from && (best < 0 || o.end > b.end(best)) {
				best = ops[n]
			}
			break
		}
	}
	return best
}

// queue makes the edge of a launch from the operation that made room for it.
func (b *builder) queue(p *point, since, own int64) int64 {
	k := b.s.of[p.call]
	if k < 0 {
		return own
	}
	s := &b.s.list[b.stream[k]]
	nth := b.s.nth[p.call]
	if nth < 0 || int(nth) >= len(s.launches) || b.call(s.launches[nth]) != p.call {
		return own // it launched on several streams
	}
	for s.room < nth && b.end(s.launches[s.room]) <= p.at {
		s.room++ // how many are done when this one returns
	}
	waiting := nth - s.room
	if b.begins[p.call] >= 0 && s.room > 0 && waiting*10 >= queueDepth*9 && b.end(s.launches[s.room-1]) > since+b.own {
		return b.await(edgeQueue, s.launches[s.room-1], p, since, own, b.own)
	}
	if room := nth - max(queueDepth, waiting); room >= 0 && b.end(s.launches[room]) <= p.at {
		return b.await(edgeQueue, s.launches[room], p, p.at, own, b.own)
	}
	return own
}
