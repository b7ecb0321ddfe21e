// Package perfetto writes a timeline in the format of Perfetto's traces, for
// https://ui.perfetto.dev and trace_processor.
//
// The file is one packet sequence of track events with interned texts. Times are those of
// the timeline, declared as CLOCK_MONOTONIC, which is made the clock of the whole trace.
package perfetto

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// Fields and values of Perfetto's protocol buffers (protos/perfetto/trace in its repository).
const (
	tracePacket = 1 // Trace.packet

	// TracePacket
	packetClockSnapshot = 6
	packetTimestamp     = 8
	packetSequence      = 10 // trusted_packet_sequence_id
	packetTrackEvent    = 11
	packetInterned      = 12
	packetFlags         = 13 // sequence_flags
	packetDefaults      = 59
	packetTrack         = 60
	packetFirst         = 87 // first_packet_on_sequence

	flagCleared = 1 // SEQ_INCREMENTAL_STATE_CLEARED
	flagNeeds   = 2 // SEQ_NEEDS_INCREMENTAL_STATE

	// ClockSnapshot, ClockSnapshot.Clock, BuiltinClock, TracePacketDefaults
	snapshotClock     = 1
	snapshotPrimary   = 2
	clockID           = 1
	clockTime         = 2
	clockMonotonic    = 3
	defaultsTimeClock = 58

	// TrackDescriptor, ProcessDescriptor, ThreadDescriptor, CounterDescriptor
	trackUUID       = 1
	trackName       = 2
	trackProcess    = 3
	trackThread     = 4
	trackParent     = 5
	trackCounter    = 8
	trackOrdering   = 11 // child_ordering
	trackRank       = 12 // sibling_order_rank
	orderExplicit   = 3
	processPID      = 1
	processName     = 6
	threadPID       = 1
	threadTID       = 2
	threadName      = 5
	counterUnit     = 3
	counterUnitName = 6
	unitBytes       = 3

	// TrackEvent
	eventCategory   = 3 // category_iids
	eventAnnotation = 4 // debug_annotations
	eventType       = 9
	eventNameID     = 10
	eventTrack      = 11
	eventName       = 23
	eventDouble     = 44 // double_counter_value
	eventFlow       = 47 // flow_ids
	eventFlowEnd    = 48 // terminating_flow_ids

	typeBegin   = 1
	typeEnd     = 2
	typeInstant = 3
	typeCounter = 4

	// DebugAnnotation
	annotationNameID = 1
	annotationInt    = 4
	annotationText   = 6
	annotationTextID = 17

	// InternedData and its entries
	internedCategories = 1
	internedNames      = 2
	internedKeys       = 3
	internedTexts      = 29
	entryID            = 1
	entryText          = 2
)

const (
	// sequence is the number of the one sequence of packets.
	sequence = 1
	// maxInterned bounds the bytes of text that are interned, each kind by itself; what comes
	// later is written where it is used.
	maxInterned = 32 << 20
	bufferBytes = 256 << 10
)

// Write writes the trace to w, in one pass. An error is that of w.
func Write(w io.Writer, in track.Input) error {
	out := &writer{w: bufio.NewWriterSize(w, bufferBytes), names: interned{field: internedNames}, texts: interned{field: internedTexts},
		keys: interned{field: internedKeys}, categories: interned{field: internedCategories}}
	out.head(in.Timeline.Window.Start)
	track.Walk(in, out)
	if err := out.w.Flush(); err != nil {
		return fmt.Errorf("write the Perfetto trace: %w", err)
	}
	return nil
}

// interned gives texts of one kind the numbers by which later packets refer to them.
type interned struct {
	field uint64
	ids   map[string]uint64
	bytes int
}

// writer is the track.Sink that writes packets. Errors of w stay in it until Flush.
type writer struct {
	w                              *bufio.Writer
	packet, event, inner, fresh    message
	names, texts, keys, categories interned
	ranks                          map[track.ID]int64
}

// intern is the number of a text; 0 when the table is full. A new one is told in the packet under construction.
func (o *writer) intern(t *interned, text string) uint64 {
	if id, ok := t.ids[text]; ok {
		return id
	}
	if t.bytes += len(text); t.bytes > maxInterned {
		return 0
	}
	if t.ids == nil {
		t.ids = map[string]uint64{}
	}
	id := uint64(len(t.ids) + 1)
	t.ids[text] = id
	o.inner = o.inner[:0]
	o.inner.uint(entryID, id)
	o.inner.text(entryText, text)
	o.fresh.sub(t.field, o.inner)
	return id
}

// put writes the packet under construction.
func (o *writer) put(flags uint64) {
	o.packet.uint(packetSequence, sequence)
	o.packet.uint(packetFlags, flags)
	o.inner = o.inner[:0]
	o.inner.tag(tracePacket, wireBytes)
	o.inner = binary.AppendUvarint(o.inner, uint64(len(o.packet)))
	_, _ = o.w.Write(o.inner) // errors stay in o.w
	_, _ = o.w.Write(o.packet)
	o.packet = o.packet[:0]
}

// head declares the clock and begins the sequence.
func (o *writer) head(start int64) {
	var clock, snapshot, defaults message
	clock.uint(clockID, clockMonotonic)
	clock.int(clockTime, start)
	snapshot.sub(snapshotClock, clock)
	snapshot.uint(snapshotPrimary, clockMonotonic)
	defaults.uint(defaultsTimeClock, clockMonotonic)
	o.packet.uint(packetFirst, 1)
	o.packet.sub(packetClockSnapshot, snapshot)
	o.packet.sub(packetDefaults, defaults)
	o.put(flagCleared)
}

// uuid is a track's own number in the file; 0 is the trace itself.
func uuid(id track.ID) uint64 { return uint64(id) }

// Track writes a track's descriptor.
func (o *writer) Track(t track.Track) {
	d := o.event[:0]
	d.uint(trackUUID, uuid(t.ID))
	if t.Parent != 0 {
		d.uint(trackParent, uuid(t.Parent))
	}
	var of message
	switch {
	// The viewer takes thread 0 for the idle task of a CPU.
	case t.Kind == track.Process && t.PID > 0:
		of.int(processPID, int64(t.PID))
		of.text(processName, t.Name)
		d.sub(trackProcess, of)
	case t.Kind == track.Thread && t.PID > 0 && t.TID > 0:
		of.int(threadPID, int64(t.PID))
		of.int(threadTID, int64(t.TID))
		of.text(threadName, t.Name)
		d.sub(trackThread, of)
	case t.Kind == track.Counter:
		if t.Unit == "bytes" {
			of.uint(counterUnit, unitBytes)
		} else if t.Unit != "" {
			of.text(counterUnitName, t.Unit)
		}
		d.text(trackName, t.Name)
		d.sub(trackCounter, of)
	default:
		d.text(trackName, t.Name)
	}
	// Children stay in the order in which they are told.
	if o.ranks == nil {
		o.ranks = map[track.ID]int64{}
	}
	o.ranks[t.Parent]++
	d.uint(trackOrdering, orderExplicit)
	d.int(trackRank, o.ranks[t.Parent])
	o.event = d
	o.packet.sub(packetTrack, d)
	o.put(flagNeeds)
}

// begin starts an event of a track.
func (o *writer) begin(id track.ID, kind uint64) {
	o.event = o.event[:0]
	o.event.uint(eventType, kind)
	o.event.uint(eventTrack, uuid(id))
}

// finish writes the event under construction, with the texts that are new in it.
func (o *writer) finish(at int64) {
	o.packet.int(packetTimestamp, at)
	if len(o.fresh) > 0 {
		o.packet.sub(packetInterned, o.fresh)
		o.fresh = o.fresh[:0]
	}
	o.packet.sub(packetTrackEvent, o.event)
	o.put(flagNeeds)
}

func (o *writer) describe(s *track.Slice) {
	o.event.uint(eventCategory, o.intern(&o.categories, s.Category.String()))
	if id := o.intern(&o.names, s.Name); id != 0 {
		o.event.uint(eventNameID, id)
	} else {
		o.event.text(eventName, s.Name)
	}
	for _, flow := range s.Flows {
		o.event.fixed(eventFlow, flow)
	}
	if s.In != 0 {
		o.event.fixed(eventFlowEnd, s.In)
	}
	for i := range s.Args {
		a := &s.Args[i]
		key, text := o.intern(&o.keys, a.Key), uint64(0)
		if a.Text != "" {
			text = o.intern(&o.texts, a.Text)
		}
		of := o.inner[:0]
		of.uint(annotationNameID, key)
		switch {
		case a.Text == "":
			of.int(annotationInt, a.Number)
		case text != 0:
			of.uint(annotationTextID, text)
		default:
			of.text(annotationText, a.Text)
		}
		o.inner = of
		o.event.sub(eventAnnotation, of)
	}
}

// Begin writes the beginning of a slice.
func (o *writer) Begin(id track.ID, s *track.Slice) {
	o.begin(id, typeBegin)
	o.describe(s)
	o.finish(s.Start)
}

// End writes the end of the innermost slice.
func (o *writer) End(id track.ID, at int64) {
	o.begin(id, typeEnd)
	o.finish(at)
}

// Instant writes a moment.
func (o *writer) Instant(id track.ID, s *track.Slice) {
	o.begin(id, typeInstant)
	o.describe(s)
	o.finish(s.Start)
}

// Count writes a counter's value.
func (o *writer) Count(id track.ID, at int64, value float64) {
	o.begin(id, typeCounter)
	o.event.double(eventDouble, value)
	o.finish(at)
}
