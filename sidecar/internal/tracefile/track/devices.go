package track

import (
	"math"
	"slices"
	"strconv"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// device tells of one GPU: a track a stream, and what left it idle.
func (w *walker) device(i int) {
	d := &w.tl.Devices[i]
	if d.Ops.Len() == 0 {
		return
	}
	name := "GPU " + strconv.Itoa(int(d.Index))
	if model := phrase.Plain(d.Name); model != "" {
		name += ": " + model
	}
	parent := w.track(Track{Kind: Device, Name: name, Device: d.Index})
	w.idle(parent, i)
	streams := slices.Compact(slices.Sorted(slices.Values(d.Ops.Stream)))
	lanes := make(map[uint32]*lane, len(streams))
	for _, stream := range streams {
		lanes[stream] = w.lane(Track{Parent: parent, Kind: Stream, Name: "stream " + strconv.FormatUint(uint64(stream), 10), Device: d.Index, Stream: stream})
		lanes[stream].id()
	}
	byStart(d.Ops.Len(), func(row int) (int64, int64) { return d.Ops.Start[row], d.Ops.End[row] }, func(row int) {
		lanes[d.Ops.Stream[row]].add(w.operation(i, row))
	})
	for _, stream := range streams {
		lanes[stream].done()
	}
}

func (w *walker) operation(device, row int) *Slice {
	o := &w.tl.Devices[device].Ops
	var s *Slice
	switch o.Kind[row] {
	case timeline.OpMemcpy:
		s = w.fill(o.Start[row], o.End[row], Copy, w.copyName(o.Copy[row], o.Source[row], o.Target[row]))
	case timeline.OpMemset:
		s = w.fill(o.Start[row], o.End[row], Set, "Memset (Device)")
	default:
		s = w.fill(o.Start[row], o.End[row], Kernel, w.named(o.Name[row], "kernel without a name"))
	}
	s.number("device", int64(w.tl.Devices[device].Index))
	s.number("stream", int64(o.Stream[row]))
	if o.Kind[row] != timeline.OpKernel {
		s.number("bytes", o.Bytes[row])
	}
	if o.Graph[row] != 0 {
		s.number("graph id", int64(o.Graph[row]))
	}
	if call := o.Call[row]; call >= 0 {
		s.number("correlation", int64(w.tl.Calls.Correlation[call]))
		w.withLine(s, w.callLine[call])
		s.In = w.ops.flow(device, row)
	}
	return s
}

// copyKey is what the name of a copy says.
type copyKey struct {
	kind           timeline.CopyKind
	source, target timeline.MemoryKind
}

// copyName is a copy as PyTorch's traces have it: "Memcpy HtoD (Pageable -> Device)".
func (w *walker) copyName(kind timeline.CopyKind, source, target timeline.MemoryKind) string {
	key := copyKey{kind, source, target}
	name, ok := w.copies[key]
	if !ok {
		name = "Memcpy " + kind.String() + " (" + side(source) + " -> " + side(target) + ")"
		w.copies[key] = name
	}
	return name
}

// side is a memory kind with a capital letter.
func side(m timeline.MemoryKind) string {
	name := []byte(m.String())
	name[0] -= 'a' - 'A'
	return string(name)
}

// idle tells of what was not captured of a device, and of the idle time of the busiest
// one, a slice a cause.
func (w *walker) idle(parent ID, device int) {
	l := w.lane(Track{Parent: parent, Kind: Lane, Name: "idle", Device: w.tl.Devices[device].Index})
	unseen := coverage.Unseen(w.tl)
	missing := func(until int64) {
		for ; len(unseen) > 0 && unseen[0].Start <= until; unseen = unseen[1:] {
			l.add(w.fill(unseen[0].Start, unseen[0].End, Unseen, "not captured"))
		}
	}
	if w.a.GPU != nil && w.a.GPU.Busiest == device {
		w.a.IdlePieces(func(p attribution.IdlePiece) {
			missing(p.Start)
			s := w.fill(p.Start, p.End, Idle, phrase.Kind(p.Kind))
			s.text("cause", string(p.Kind))
			w.withLine(s, p.Line)
			if p.Sampled {
				s.text("exact", "no: what most samples of the line say")
			}
			l.add(s)
		})
	}
	missing(math.MaxInt64)
	l.done()
}
