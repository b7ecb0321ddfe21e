package cupti

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
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
)

var recordBytes = map[uint16]int{recordPad: 8, recordName: 16, recordClock: 32, recordDevice: 40, recordKernel: 72,
	recordMemcpy: 56, recordMemset: 48, recordAPI: 40, recordSync: 40, recordOverhead: 32}

// maxDevices bounds what a hostile producer can make us allocate.
const maxDevices = 256

// decoder turns the records of one capture into events of the timeline, on
// CLOCK_MONOTONIC. CUPTI stamps with CLOCK_REALTIME by default; both clocks are
// slewed alike by the kernel, so one offset holds for the whole capture unless
// the wall clock was stepped, which the last CLOCK record shows.
type decoder struct {
	pid     int32
	b       *timeline.Builder
	calls   *timeline.CallBuilder
	names   map[uint32]string
	ids     map[uint32]timeline.NameID
	threads map[uint32]timeline.ThreadID
	devices map[uint32]*timeline.DeviceBuilder

	clocks      int
	offset      int64 // CUPTI time minus CLOCK_MONOTONIC
	bound, step int64 // of the offset: how far it may be off, how far it moved
	early       int64 // records before the first CLOCK record
	records     int64
}

func newDecoder(pid int32, b *timeline.Builder) *decoder {
	return &decoder{pid: pid, b: b, calls: b.Calls(), names: map[uint32]string{}, ids: map[uint32]timeline.NameID{},
		threads: map[uint32]timeline.ThreadID{}, devices: map[uint32]*timeline.DeviceBuilder{}}
}

// record decodes one record; an error is errCorrupt.
func (d *decoder) record(r []byte) error {
	le := binary.LittleEndian
	kind, name := le.Uint16(r), le.Uint32(r[4:])
	least, known := recordBytes[kind]
	if !known || len(r) < least {
		return fmt.Errorf("%w: type %d of %d bytes", errCorrupt, kind, len(r))
	}
	switch kind {
	case recordPad:
		return nil
	case recordName:
		length := le.Uint32(r[8:])
		if uint64(length) > uint64(len(r)-16) {
			return fmt.Errorf("%w: a name of %d bytes", errCorrupt, length)
		}
		d.names[name] = string(r[16 : 16+length])
		return nil
	case recordClock:
		d.clock(int64(le.Uint64(r[8:])), int64(le.Uint64(r[16:])), int64(le.Uint64(r[24:])))
		return nil
	case recordDevice:
		if device := d.device(le.Uint32(r[8:])); device != nil {
			pci, _, _ := bytes.Cut(r[24:40], []byte{0})
			device.Describe(d.names[name], string(pci), int64(le.Uint64(r[16:])))
		}
		return nil
	}
	if d.clocks == 0 {
		d.early++
		return nil
	}
	d.records++
	start, end := int64(le.Uint64(r[8:]))-d.offset, int64(le.Uint64(r[16:]))-d.offset
	switch kind {
	case recordKernel:
		d.op(le.Uint32(r[24:]), timeline.Op{Start: start, End: end, Kind: timeline.OpKernel, Stream: le.Uint32(r[28:]),
			Correlation: le.Uint32(r[32:]), Graph: le.Uint32(r[36:]), Name: d.name(name)})
	case recordMemcpy:
		d.op(le.Uint32(r[32:]), timeline.Op{Start: start, End: end, Kind: timeline.OpMemcpy, Bytes: int64(le.Uint64(r[24:])),
			Stream: le.Uint32(r[36:]), Correlation: le.Uint32(r[40:]), Copy: timeline.CopyKind(r[44]),
			Source: timeline.MemoryKind(r[45]), Target: timeline.MemoryKind(r[46])})
	case recordMemset:
		d.op(le.Uint32(r[32:]), timeline.Op{Start: start, End: end, Kind: timeline.OpMemset, Bytes: int64(le.Uint64(r[24:])),
			Stream: le.Uint32(r[36:]), Correlation: le.Uint32(r[40:])})
	case recordAPI:
		function := d.names[name]
		d.calls.Append(start, end, d.thread(le.Uint32(r[24:])), classOf(function), d.name(name), le.Uint32(r[28:]))
	case recordOverhead:
		d.b.AddOverhead(timeline.Interval{Start: start, End: end})
	}
	return nil
}

func (d *decoder) op(device uint32, o timeline.Op) {
	if b := d.device(device); b != nil {
		b.Append(o)
	}
}

func (d *decoder) device(index uint32) *timeline.DeviceBuilder {
	b := d.devices[index]
	if b == nil && index < maxDevices {
		b = d.b.Device(int32(index))
		d.devices[index] = b
	}
	return b
}

func (d *decoder) thread(tid uint32) timeline.ThreadID {
	id, ok := d.threads[tid]
	if !ok {
		id = d.b.Thread(d.pid, int32(tid)).ID()
		d.threads[tid] = id
	}
	return id
}

func (d *decoder) name(id uint32) timeline.NameID {
	known, ok := d.ids[id]
	if !ok {
		known = d.b.Name(cleanName(d.names[id]))
		d.ids[id] = known
	}
	return known
}

// cleanName drops the version that CUPTI appends to a function ("cudaMalloc_v3020").
func cleanName(name string) string {
	at := strings.LastIndex(name, "_v")
	if at < 0 || !strings.HasPrefix(name, "cu") || len(name)-at < 6 || strings.Trim(name[at+2:], "0123456789") != "" {
		return name
	}
	return name[:at]
}

func (d *decoder) clock(monotonic, cupti, bound int64) {
	offset := cupti - monotonic
	if d.clocks == 0 {
		d.offset = offset
	} else if moved := offset - d.offset; abs(moved) > abs(d.step) {
		d.step = moved
	}
	d.bound = max(d.bound, bound)
	d.clocks++
}

func abs(n int64) int64 { return max(n, -n) }

// classOf tells what a runtime or driver function is for. The prefixes are those
// of cupti/calls.c, which decides what is recorded at all.
func classOf(function string) timeline.CallClass {
	name := strings.TrimPrefix(function, "cuda")
	if name == function {
		name = strings.TrimPrefix(function, "cu")
	}
	has := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("Launch", "GraphLaunch"):
		return timeline.CallLaunch
	case strings.Contains(name, "Synchronize"):
		return timeline.CallSync
	case has("Memcpy", "Memset", "MemPrefetch"):
		return timeline.CallCopy
	case has("Malloc", "Free", "MemAlloc", "MemFree", "HostAlloc", "HostRegister", "HostUnregister", "MemHost", "MemMap",
		"MemUnmap", "MemCreate", "MemRelease", "MemPool"):
		return timeline.CallAlloc
	case has("Module", "Library", "Link", "GraphInstantiate", "GraphExecUpdate", "GraphUpload", "StreamBeginCapture", "StreamEndCapture"):
		return timeline.CallModule
	case has("EventRecord", "StreamWaitEvent"):
		return timeline.CallEvent
	case has("Init", "CtxCreate", "DevicePrimaryCtxRetain", "DeviceReset"):
		return timeline.CallInit
	}
	return timeline.CallOther
}
