package cudaprobe

import (
	"encoding/binary"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/inferscope/inferscope/sidecar/internal/collect/bpfsource"
)

// recordBytes is the size of struct call_record in bpf/calls.h.
const recordBytes = 32

// decode reads one record; false when the bytes are none.
func decode(raw []byte, r *callsCallRecord) bool {
	if len(raw) < recordBytes {
		return false
	}
	order := binary.LittleEndian // the programs are built for little-endian machines alone
	r.Function, r.Tid = order.Uint32(raw), order.Uint32(raw[4:])
	r.Start, r.End, r.Bytes = order.Uint64(raw[8:]), order.Uint64(raw[16:]), order.Uint64(raw[24:])
	return true
}

// read hands each call that is in the ring to handle, waiting until the deadline for more.
func (p *programs) read(deadline time.Time, handle func(*callsCallRecord)) error {
	var raw ringbuf.Record
	var record callsCallRecord
	return bpfsource.Read(p.reader, &raw, deadline, func(bytes []byte) {
		if decode(bytes, &record) {
			handle(&record)
		}
	})
}
