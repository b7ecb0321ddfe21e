package ebpf

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// memory reads another process's memory, by its id as this process sees it.
type memory struct{ pid int }

// read fills dst from an address; it fails unless all of it can be read.
func (m memory) read(address uint64, dst []byte) error {
	if len(dst) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &dst[0]}}
	local[0].SetLen(len(dst))
	remote := []unix.RemoteIovec{{Base: uintptr(address), Len: len(dst)}}
	n, err := unix.ProcessVMReadv(m.pid, local, remote, 0)
	if err != nil {
		return fmt.Errorf("read memory of process %d: %w", m.pid, err)
	}
	if n != len(dst) {
		return fmt.Errorf("read memory of process %d: %d of %d bytes", m.pid, n, len(dst))
	}
	return nil
}

func (m memory) word(address uint64) (uint64, error) {
	var raw [8]byte
	if err := m.read(address, raw[:]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(raw[:]), nil
}
