package cupti

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/ianlancetaylor/demangle"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// The types and sizes of records, as in cupti/gpu_ring.h.
const (
	recordPad      = 0
	recordName     = 1
	recordClock    = 2
	recordDevice   = 3
	recordKernel   = 4
	recordMemcpy   = 5
	recordMemset   = 6
	recordAPI      = 7
	recordSync     = 8
	recordOverhead = 9
	recordWindow   = 10
)

// recordBytes is the least size of each type.
var recordBytes = [...]int{recordPad: 8, recordName: 16, recordClock: 32, recordDevice: 40, recordKernel: 72,
	recordMemcpy: 56, recordMemset: 48, recordAPI: 40, recordSync: 40, recordOverhead: 32,
	recordWindow: 48}

// What a hostile producer can make us allocate is bounded.
const (
	maxDevices = 256
	maxNames   = 1 << 16 // NAMES_SLOTS of cupti/names.h
	maxThreads = 1 << 16
	maxText    = 128 // of a device's name
	// maxRecords is some 1.5 GiB of operations and calls.
	maxRecords = 20_000_000
)

// Records outside of these distances from the capture have no true times.
const (
	longBefore = 10 * int64(time.Minute)
	longAfter  = 10 * int64(time.Second)
)

// decoder turns the records of one capture into events of the timeline, on
// CLOCK_MONOTONIC. CUPTI stamps with CLOCK_REALTIME by default; both clocks are
// slewed alike by the kernel, so one offset holds for the whole capture unless
// the wall clock was stepped, which the last CLOCK record shows.
type decoder struct {
	pid     int32
	b       *timeline.Builder
	calls   *timeline.CallBuilder
	names   []name
	threads map[uint32]timeline.ThreadID
	devices [maxDevices]*timeline.DeviceBuilder

	clocks           int
	offset           int64 // CUPTI time minus CLOCK_MONOTONIC
	bound, step      int64 // of the offset: how far it may be off, how far it moved
	now              int64 // our CLOCK_MONOTONIC at the last tick
	base             int64 // the producer's CLOCK_MONOTONIC minus ours, but for the time that its first record was under way
	earliest, latest int64 // bounds on CLOCK_MONOTONIC times of records

	windows windows

	early   int64 // records before the first CLOCK record
	invalid int64 // records with impossible times or devices
	excess  int64 // records past maxRecords
	records int64
	kernels int64 // of records
}

// name is what a NAME record defined.
type name struct {
	id    timeline.NameID
	class timeline.CallClass
	text  string // cut to maxText
}

func newDecoder(pid int32, b *timeline.Builder) *decoder {
	return &decoder{pid: pid, b: b, calls: b.Calls(), names: make([]name, 1, 256), threads: map[uint32]timeline.ThreadID{}}
}

// tick tells the decoder the time before it is given more records.
func (d *decoder) tick(monotonic int64) {
	d.now = monotonic
	d.latest = monotonic + d.base + longAfter
}

// record decodes one record; an error is errCorrupt.
func (d *decoder) record(r []byte) error {
	le := binary.LittleEndian
	kind := le.Uint16(r)
	if kind >= uint16(len(recordBytes)) || len(r) < recordBytes[kind] {
		return fmt.Errorf("%w: type %d of %d bytes", errCorrupt, kind, len(r))
	}
	switch kind {
	case recordPad:
		return nil
	case recordName:
		return d.define(r)
	case recordClock:
		d.clock(int64(le.Uint64(r[8:])), int64(le.Uint64(r[16:])), int64(le.Uint64(r[24:])))
		return nil
	case recordDevice:
		if device := d.device(le.Uint32(r[8:])); device != nil {
			pci, _, _ := bytes.Cut(r[24:40], []byte{0})
			device.Describe(d.name(r).text, string(pci), int64(le.Uint64(r[16:])))
		}
		return nil
	case recordSync:
		return nil // its call is recorded too
	case recordWindow:
		d.window(r)
		return nil
	}
	start, end := int64(le.Uint64(r[8:]))-d.offset, int64(le.Uint64(r[16:]))-d.offset
	switch {
	case d.clocks == 0:
		d.early++
		return nil
	case start > end || start < d.earliest || end > d.latest:
		d.invalid++
		return nil
	case d.records >= maxRecords:
		d.excess++
		return nil
	}
	d.records++
	switch kind {
	case recordKernel:
		d.kernels++
		d.op(le.Uint32(r[24:]), timeline.Op{Start: start, End: end, Kind: timeline.OpKernel, Stream: le.Uint32(r[28:]),
			Correlation: le.Uint32(r[32:]), Graph: le.Uint32(r[36:]), Name: d.name(r).id})
	case recordMemcpy:
		d.op(le.Uint32(r[32:]), timeline.Op{Start: start, End: end, Kind: timeline.OpMemcpy, Bytes: int64(le.Uint64(r[24:])),
			Stream: le.Uint32(r[36:]), Correlation: le.Uint32(r[40:]), Copy: timeline.CopyKind(r[44]),
			Source: timeline.MemoryKind(r[45]), Target: timeline.MemoryKind(r[46])})
	case recordMemset:
		d.op(le.Uint32(r[32:]), timeline.Op{Start: start, End: end, Kind: timeline.OpMemset, Bytes: int64(le.Uint64(r[24:])),
			Stream: le.Uint32(r[36:]), Correlation: le.Uint32(r[40:])})
	case recordAPI:
		function := d.name(r)
		d.calls.Append(start, end, d.thread(le.Uint32(r[24:])), function.class, function.id, le.Uint32(r[28:]))
	case recordOverhead:
		d.b.AddOverhead(timeline.Interval{Start: start, End: end})
	}
	return nil
}

// window keeps a window of capture; its times are CLOCK_MONOTONIC already.
func (d *decoder) window(r []byte) {
	switch {
	case d.clocks == 0:
		d.early++
	case len(d.windows.list) >= maxWindows:
		d.excess++
	case !d.windows.add(r, d.earliest, d.latest):
		d.invalid++
	}
}

func (d *decoder) define(r []byte) error {
	id, length := binary.LittleEndian.Uint32(r[4:]), binary.LittleEndian.Uint32(r[8:])
	if uint64(length) > uint64(len(r)-16) || id >= maxNames {
		return fmt.Errorf("%w: name %d of %d bytes", errCorrupt, id, length)
	}
	text := string(r[16 : 16+length])
	for int(id) >= len(d.names) {
		d.names = append(d.names, name{})
	}
	d.names[id] = name{id: d.b.Name(cleanName(text)), class: collect.CallClass(text), text: strings.Clone(text[:min(len(text), maxText)])}
	return nil
}

// name is what the record's head names; the zero name when that was never defined.
func (d *decoder) name(r []byte) name {
	if id := binary.LittleEndian.Uint32(r[4:]); int64(id) < int64(len(d.names)) {
		return d.names[id]
	}
	return name{}
}

func (d *decoder) op(device uint32, o timeline.Op) {
	if b := d.device(device); b != nil {
		b.Append(o)
	} else {
		d.invalid++
	}
}

func (d *decoder) device(index uint32) *timeline.DeviceBuilder {
	if index >= maxDevices {
		return nil
	}
	if d.devices[index] == nil {
		d.devices[index] = d.b.Device(int32(index))
	}
	return d.devices[index]
}

func (d *decoder) thread(tid uint32) timeline.ThreadID {
	id, ok := d.threads[tid]
	if !ok && len(d.threads) < maxThreads {
		id = d.b.Thread(d.pid, int32(tid)).ID()
		d.threads[tid] = id
	}
	return id
}

// cleanName makes a C++ kernel's name readable, and drops the version that CUPTI
// appends to a function ("cudaMalloc_v3020").
func cleanName(name string) string {
	if strings.HasPrefix(name, "_Z") && len(name) <= maxMangled {
		// A name that is none comes back as it was. The limit bounds what a hostile one unfolds to.
		return demangle.Filter(name, demangle.MaxLength(maxMangledBits))
	}
	at := strings.LastIndex(name, "_v")
	if at < 0 || !strings.HasPrefix(name, "cu") || len(name)-at < 6 || strings.Trim(name[at+2:], "0123456789") != "" {
		return name
	}
	return name[:at]
}

// maxMangled is the longest name that is demangled, and maxMangledBits the logarithm of
// the longest result: 4 KiB, which is what the timeline keeps of a name.
const (
	maxMangled     = 4096
	maxMangledBits = 12
)

func (d *decoder) clock(monotonic, cupti, bound int64) {
	offset := cupti - monotonic
	if d.clocks == 0 {
		d.offset = offset
		d.base = monotonic - d.now
		d.earliest, d.latest = monotonic-longBefore, monotonic+longAfter
	} else if moved := offset - d.offset; abs(moved) > abs(d.step) {
		d.step = moved
	}
	d.bound = max(d.bound, bound)
	d.clocks++
}

func abs(n int64) int64 { return max(n, -n) }
