package perfevent

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is the buffer of one CPU, which the kernel fills and we empty.
type ring struct {
	memory []byte // the control page, then the data
	data   []byte
	head   *uint64
	tail   *uint64
	whole  []byte // a record that wraps around is put together here
}

// mapRing maps the buffer of an event: a control page and pages of data, a power of two.
func mapRing(fd, pages int) (*ring, error) {
	page := unix.Getpagesize()
	memory, err := unix.Mmap(fd, 0, page*(pages+1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the event buffer: %w", err)
	}
	control := (*unix.PerfEventMmapPage)(unsafe.Pointer(&memory[0]))
	return newRing(memory, memory[page:], &control.Data_head, &control.Data_tail), nil
}

func newRing(memory, data []byte, head, tail *uint64) *ring {
	return &ring{memory: memory, data: data, head: head, tail: tail, whole: make([]byte, 1<<16)}
}

// drain hands every record that is there to take, in the order in which the CPU
// wrote them, and gives the room back. It returns how full the buffer was, 0..1,
// and how many records could not be read.
func (r *ring) drain(take func(record)) (full float64, malformed int64) {
	size := uint64(len(r.data))
	head, tail := atomic.LoadUint64(r.head), *r.tail
	if head-tail > size { // never by the kernel; nothing in there can be trusted
		atomic.StoreUint64(r.tail, head)
		return 1, 1
	}
	full = float64(head-tail) / float64(size)
	for tail < head {
		at := tail % size
		if head-tail < headerSize || size-at < headerSize {
			malformed++
			tail = head
			break
		}
		length := uint64(binary.NativeEndian.Uint16(r.data[at+6:]))
		if length < headerSize || length > head-tail || length%8 != 0 {
			malformed++
			tail = head
			break
		}
		raw := r.data[at:min(at+length, size)]
		if uint64(len(raw)) < length {
			n := copy(r.whole, raw)
			copy(r.whole[n:], r.data[:length-uint64(n)])
			raw = r.whole[:length]
		}
		if rec, ok := decode(raw); !ok {
			malformed++
		} else if rec.kind != other {
			take(rec)
		}
		tail += length
	}
	atomic.StoreUint64(r.tail, tail)
	return full, malformed
}

func (r *ring) close() {
	if r.memory != nil {
		_ = unix.Munmap(r.memory)
		r.memory = nil
	}
}
