package cupti

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The layout of cupti/gpu_ring.h; a test reads that header and compares.
const (
	ringMagic       = 0x474e525550474e49
	ringVersion     = 1
	ringHeaderBytes = 4096

	offCapacity  = 16
	offHead      = 64
	offDropped   = 72
	offLost      = 80
	offInvalid   = 88
	offDiscarded = 96
	offState     = 104
	offTail      = 128
)

// ringCapacity holds some 300,000 launches: half a second of the fastest CUDA
// graphs between two drains, and 32 MiB of shared memory.
const ringCapacity = 32 << 20

// errCorrupt says that the producer wrote something that is not a record. The
// producer is the profiled process: nothing that it writes is trusted.
var errCorrupt = errors.New("the ring of GPU records is corrupt")

// ring is the consumer's side of the shared memory. The file belongs to it.
type ring struct {
	path string
	mem  []byte
}

// newRing makes the file in dir, which must be the user's alone.
func newRing(dir string) (*ring, error) {
	file, err := os.CreateTemp(dir, "gpu-ring-")
	if err != nil {
		return nil, fmt.Errorf("creating the ring of GPU records: %w", err)
	}
	defer file.Close()
	size := ringHeaderBytes + ringCapacity
	if err := file.Truncate(int64(size)); err != nil {
		os.Remove(file.Name())
		return nil, fmt.Errorf("sizing the ring of GPU records: %w", err)
	}
	mem, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		os.Remove(file.Name())
		return nil, fmt.Errorf("mapping the ring of GPU records: %w", err)
	}
	r := &ring{path: file.Name(), mem: mem}
	r.reset()
	return r, nil
}

// reset empties the ring for the next capture. No producer may have it mapped.
func (r *ring) reset() {
	clear(r.mem[:192])
	le := binary.LittleEndian
	le.PutUint64(r.mem[0:], ringMagic)
	le.PutUint32(r.mem[8:], ringVersion)
	le.PutUint32(r.mem[12:], ringHeaderBytes)
	le.PutUint64(r.mem[offCapacity:], ringCapacity)
}

// close unmaps and removes the file.
func (r *ring) close() error {
	err := unix.Munmap(r.mem)
	r.mem = nil
	if rm := os.Remove(r.path); err == nil && !errors.Is(rm, os.ErrNotExist) {
		err = rm
	}
	return err
}

func (r *ring) word(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&r.mem[offset]))
}

// counters are what the producer could not deliver.
type counters struct{ dropped, lost, invalid, discarded int64 }

func (r *ring) counters() counters {
	read := func(offset int) int64 { return int64(min(r.word(offset).Load(), 1<<62)) }
	return counters{read(offDropped), read(offLost), read(offInvalid), read(offDiscarded)}
}

func (r *ring) state() uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&r.mem[offState])).Load()
}

// drain gives every published record to each, which must not keep it, and frees
// the space. It returns errCorrupt, after which the ring must not be read again.
func (r *ring) drain(each func(record []byte) error) error {
	head, tail := r.word(offHead).Load(), r.word(offTail).Load()
	if head < tail || head-tail > ringCapacity || head%8 != 0 {
		return fmt.Errorf("%w: head %d, tail %d", errCorrupt, head, tail)
	}
	data := r.mem[ringHeaderBytes:]
	for tail < head {
		at := tail & (ringCapacity - 1)
		size := uint64(binary.LittleEndian.Uint16(data[at+2:]))
		if size < 8 || size%8 != 0 || at+size > ringCapacity || tail+size > head {
			return fmt.Errorf("%w: a record of %d bytes at %d", errCorrupt, size, tail)
		}
		if err := each(data[at : at+size : at+size]); err != nil {
			return err
		}
		tail += size
		r.word(offTail).Store(tail)
	}
	return nil
}
