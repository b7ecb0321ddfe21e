package ebpf

import (
	"bytes"
	"unsafe"
)

// maxFrames is the most Python frames that one record carries.
const maxFrames = len(probeOffcpuRecord{}.Frames)

const (
	offcpuHead   = int(unsafe.Offsetof(probeOffcpuRecord{}.Frames))
	sampleHead   = int(unsafe.Offsetof(probeSampleRecord{}.Frames))
	threadLength = int(unsafe.Sizeof(probeThreadRecord{}))
	frameLength  = int(unsafe.Sizeof(probePyFrame{}))
)

// decoder turns the raw records of the rings into structs. The structs are reused:
// they hold until the next record of the same kind.
type decoder struct {
	offcpu probeOffcpuRecord
	thread probeThreadRecord
	sample probeSampleRecord
}

// decode reads one record and says which kind it was; 0 is a record that does not
// hold what it says. Any bytes are safe: the kernel's side and this one are built
// together, but a record is never trusted for a length.
func (d *decoder) decode(raw []byte) probeRecordKind {
	if len(raw) == 0 {
		return 0
	}
	switch kind := probeRecordKind(raw[0]); kind {
	case probeRecordKindRECORD_OFFCPU:
		if len(raw) < offcpuHead {
			return 0
		}
		copy(bytesOf(unsafe.Pointer(&d.offcpu), unsafe.Sizeof(d.offcpu)), raw)
		if int(d.offcpu.FrameCount) > framesIn(raw, offcpuHead) {
			return 0
		}
		return kind
	case probeRecordKindRECORD_THREAD:
		if len(raw) < threadLength {
			return 0
		}
		copy(bytesOf(unsafe.Pointer(&d.thread), unsafe.Sizeof(d.thread)), raw)
		return kind
	case probeRecordKindRECORD_SAMPLE:
		if len(raw) < sampleHead {
			return 0
		}
		copy(bytesOf(unsafe.Pointer(&d.sample), unsafe.Sizeof(d.sample)), raw)
		if int(d.sample.FrameCount) > framesIn(raw, sampleHead) {
			return 0
		}
		return kind
	}
	return 0
}

func framesIn(raw []byte, head int) int { return min((len(raw)-head)/frameLength, maxFrames) }

// bytesOf views a struct of plain integers as bytes.
func bytesOf(p unsafe.Pointer, size uintptr) []byte { return unsafe.Slice((*byte)(p), size) }

// commText is a kernel name up to its terminator. It is hostile text.
func commText(comm *[16]int8) string {
	raw := bytesOf(unsafe.Pointer(comm), unsafe.Sizeof(*comm))
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		raw = raw[:i]
	}
	return string(raw)
}
