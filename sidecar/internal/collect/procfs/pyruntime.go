package procfs

import (
	"debug/elf"
	"errors"
	"fmt"
)

// ErrNoPyRuntime says that a process has no CPython runtime that exports its state.
var ErrNoPyRuntime = errors.New("no _PyRuntime in this process")

// Range is a range of addresses, [Start, End).
type Range struct{ Start, End uint64 }

// Contains says whether an address lies in the range.
func (r Range) Contains(address uint64) bool { return address >= r.Start && address < r.End }

// PyRuntime finds CPython's exported object _PyRuntime in a process. A futex
// inside of it is the global interpreter lock. The interpreter is the binary or
// a libpython; a process without one gives ErrNoPyRuntime. It takes about a
// millisecond.
func PyRuntime(pid int) (Range, error) {
	mappings, err := Mappings(pid)
	if err != nil {
		return Range{}, fmt.Errorf("reading the mappings: %w", err)
	}
	tried := map[string]bool{}
	for _, m := range mappings {
		if m.Path == "" || m.Path[0] != '/' || tried[m.Path] || !IsPython(m.Path) {
			continue
		}
		tried[m.Path] = true
		// The path is in the process's own mount namespace.
		r, err := pyRuntimeIn(fmt.Sprintf("/proc/%d/root%s", pid, m.Path), m)
		if err != nil { // replaced on disk since it was started, or another mount
			r, err = pyRuntimeIn(fmt.Sprintf("/proc/%d/map_files/%x-%x", pid, m.Start, m.End), m)
		}
		if err != nil {
			r, err = pyRuntimeIn(fmt.Sprintf("/proc/%d/exe", pid), m)
		}
		if err == nil {
			return r, nil
		}
	}
	return Range{}, ErrNoPyRuntime
}

// pyRuntimeIn looks the symbol up in one ELF file, of which m is a mapping.
func pyRuntimeIn(path string, m Mapping) (Range, error) {
	f, err := elf.Open(path)
	if err != nil {
		return Range{}, err
	}
	defer func() { _ = f.Close() }()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return Range{}, err
	}
	bias, ok := loadBias(f, m)
	if !ok {
		return Range{}, ErrNoPyRuntime
	}
	for _, s := range symbols {
		if s.Name == "_PyRuntime" && s.Value != 0 && s.Section != elf.SHN_UNDEF {
			return Range{bias + s.Value, bias + s.Value + s.Size}, nil
		}
	}
	return Range{}, ErrNoPyRuntime
}

// loadBias is what the loader added to the file's addresses: a mapping of file
// offset o at address a, within a segment of offset p and address v, says a - o
// = bias + v - p.
func loadBias(f *elf.File, m Mapping) (uint64, bool) {
	if f.Type == elf.ET_EXEC {
		return 0, true
	}
	for _, p := range f.Progs {
		const page = 4095
		if p.Type == elf.PT_LOAD && m.Offset >= p.Off&^page && m.Offset < p.Off+p.Filesz {
			return m.Start - m.Offset - p.Vaddr + p.Off, true
		}
	}
	return 0, false
}
