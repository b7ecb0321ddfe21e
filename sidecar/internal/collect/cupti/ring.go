package cupti

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The layout of cupti/gpu_ring.h; a test reads that header and compares.
const (
	ringMagic       = 0x474e525550474e49
	ringVersion     = 1
	ringHeaderBytes = 4096
	ringLeast       = 64 << 10

	offVersion     = 8
	offHeaderBytes = 12
	offCapacity    = 16
	offHead        = 64
	offDropped     = 72
	offLost        = 80
	offInvalid     = 88
	offDiscarded   = 96
	offState       = 104
	offUnnamed     = 112
	offEarlier     = 120
	offTail        = 128
	offEnd         = 192
)

// The producer's states, enum gpu_ring_state.
const (
	stateIdle  = 0
	stateArmed = 1
	stateOn    = 2
	stateEnded = 3
)

// ringCapacity holds some 300,000 launches: half a second of the fastest CUDA
// graphs between two drains, and 32 MiB of shared memory.
const ringCapacity = 32 << 20

// giveBackEvery is how many bytes are read before their space is given back:
// each time costs an access to a cache line that the producer reads.
const giveBackEvery = 64 << 10

// errCorrupt says that the producer wrote something that is not a record. The
// producer is the profiled process: nothing that it writes is trusted.
var errCorrupt = errors.New("the ring of GPU records is corrupt")

// ring is the consumer's side of the shared memory. The file belongs to it. What
// bounds its reading is kept outside of the shared memory.
type ring struct {
	path     string
	file     *os.File
	mem      []byte
	capacity uint64
	tail     uint64
}

// newRing makes the file in dir, which must be the user's alone, for that user to
// write. It takes no memory until it is used, or reserve is called.
func newRing(dir string, capacity int, uid uint32) (*ring, error) {
	file, err := os.CreateTemp(dir, "gpu-ring-")
	if err != nil {
		return nil, fmt.Errorf("creating the ring of GPU records: %w", err)
	}
	fail := func(step string, err error) (*ring, error) {
		file.Close()
		os.Remove(file.Name())
		return nil, fmt.Errorf("%s the ring of GPU records: %w", step, err)
	}
	size := ringHeaderBytes + capacity
	if err := file.Truncate(int64(size)); err != nil {
		return fail("sizing", err)
	}
	// The header's page: writing to it through the mapping would be a bus error where there is no room.
	if err := unix.Fallocate(int(file.Fd()), 0, 0, ringHeaderBytes); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fail("finding room for", err)
	}
	if int(uid) != os.Geteuid() {
		if err := file.Chown(int(uid), -1); err != nil {
			return fail("handing over", err)
		}
	}
	mem, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fail("mapping", err)
	}
	r := &ring{path: file.Name(), file: file, mem: mem, capacity: uint64(capacity)}
	return r, r.reset()
}

// allocate takes the ring's memory now instead of in the first cell.
func (r *ring) allocate() error {
	return unix.Fallocate(int(r.file.Fd()), 0, 0, int64(len(r.mem)))
}

// guard runs f, which touches the shared memory: a producer that cuts the file
// short makes that a fault.
func guard(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			err = fmt.Errorf("%w: its file was cut short", errCorrupt)
		default:
			panic(fault)
		}
	}()
	f()
	return nil
}

// reset empties the ring for the next capture. No producer may be writing.
func (r *ring) reset() error {
	r.tail = 0
	return guard(func() {
		clear(r.mem[:offEnd])
		le := binary.LittleEndian
		le.PutUint64(r.mem[0:], ringMagic)
		le.PutUint32(r.mem[offVersion:], ringVersion)
		le.PutUint32(r.mem[offHeaderBytes:], ringHeaderBytes)
		le.PutUint64(r.mem[offCapacity:], r.capacity)
	})
}

// close unmaps and removes the file.
func (r *ring) close() error {
	err := unix.Munmap(r.mem)
	r.mem = nil
	r.file.Close()
	if rm := os.Remove(r.path); err == nil && rm != nil && !errors.Is(rm, os.ErrNotExist) {
		err = rm
	}
	return err
}

func (r *ring) word(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&r.mem[offset]))
}

// counters are what the producer could not deliver, the ns that it waited for the
// device before it began, and its state.
type counters struct {
	dropped, lost, invalid, discarded, unnamed, earlierNs int64
	state                                                 uint32
}

func (r *ring) counters() (c counters, err error) {
	err = guard(func() {
		read := func(offset int) int64 { return int64(min(r.word(offset).Load(), 1<<62)) }
		c = counters{read(offDropped), read(offLost), read(offInvalid), read(offDiscarded), read(offUnnamed), read(offEarlier),
			(*atomic.Uint32)(unsafe.Pointer(&r.mem[offState])).Load()}
	})
	return c, err
}

// drain gives every published record to each, which must not keep it, and frees
// the space. It returns errCorrupt, after which the ring must not be read again.
func (r *ring) drain(each func(record []byte) error) error {
	var err error
	if fault := guard(func() { err = r.read(each) }); fault != nil {
		return fault
	}
	return err
}

func (r *ring) read(each func(record []byte) error) error {
	head, tail := r.word(offHead).Load(), r.tail
	if head < tail || head-tail > r.capacity || head%8 != 0 {
		return fmt.Errorf("%w: head %d, tail %d", errCorrupt, head, tail)
	}
	given := tail
	data, mask := r.mem[ringHeaderBytes:], r.capacity-1
	for tail < head {
		at := tail & mask
		size := uint64(binary.LittleEndian.Uint16(data[at+2:]))
		if size < 8 || size%8 != 0 || at+size > r.capacity || tail+size > head {
			return fmt.Errorf("%w: a record of %d bytes at %d", errCorrupt, size, tail)
		}
		if err := each(data[at : at+size : at+size]); err != nil {
			return err
		}
		tail += size
		if tail-given >= giveBackEvery {
			r.word(offTail).Store(tail)
			given = tail
		}
	}
	r.tail = tail
	r.word(offTail).Store(tail)
	return nil
}
