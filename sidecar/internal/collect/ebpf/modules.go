package ebpf

import (
	"cmp"
	"debug/elf"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mapping is an executable mapping of a process.
type mapping struct {
	start, end uint64
	path       string
	// python says that it is the interpreter's own code.
	python bool
}

// mappings are the executable mappings of a process, sorted by address.
type mappings []mapping

func (m mappings) find(address uint64) *mapping {
	i, found := slices.BinarySearchFunc(m, address, func(e mapping, a uint64) int { return cmp.Compare(e.start, a) })
	if !found {
		i--
	}
	if i < 0 || address >= m[i].end {
		return nil
	}
	return &m[i]
}

// anonymousCode names executable memory that belongs to no file: code made at run time.
const anonymousCode = "[anonymous]"

func readMappings(pid uint32) (mappings, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, fmt.Errorf("list the mappings of process %d: %w", pid, err)
	}
	executable, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		executable = ""
	}
	return parseMappings(string(text), executable), nil
}

// parseMappings reads /proc/PID/maps and keeps what can be executed.
func parseMappings(text, executable string) mappings {
	var all mappings
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.Contains(fields[1], "x") {
			continue
		}
		low, high, ok := strings.Cut(fields[0], "-")
		start, err1 := strconv.ParseUint(low, 16, 64)
		end, err2 := strconv.ParseUint(high, 16, 64)
		if !ok || err1 != nil || err2 != nil {
			continue
		}
		m := mapping{start: start, end: end, path: anonymousCode}
		if len(fields) > 5 {
			m.path = strings.Join(fields[5:], " ")
		}
		m.python = isInterpreter(m.path, executable)
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b mapping) int { return cmp.Compare(a.start, b.start) })
	return all
}

// isInterpreter says whether a file holds the Python interpreter: its library, or
// the program itself where it is called python.
func isInterpreter(file, executable string) bool {
	base := path.Base(file)
	return strings.HasPrefix(base, "libpython") || file == executable && strings.HasPrefix(base, "python")
}

// process is one process of the cell: the profiled one, or a child.
type process struct {
	pid    uint32 // as this process sees it
	parent *process
	// python says that it runs the program in which the calibration was made.
	python bool

	maps     mappings
	mapsRead time.Time
	gil      addressRange
	gilKnown bool
}

// mapsAge is how long a list of mappings stands although an address is not in it.
const mapsAge = 100 * time.Millisecond

// mapping finds the mapping that holds an address; nil when there is none.
func (p *process) mapping(address uint64) *mapping {
	if m := p.maps.find(address); m != nil {
		return m
	}
	if now := time.Now(); now.Sub(p.mapsRead) > mapsAge {
		p.mapsRead = now
		if fresh, err := readMappings(p.pid); err == nil && len(fresh) > 0 {
			p.maps = fresh
			return p.maps.find(address)
		}
	}
	if p.parent != nil {
		return p.parent.mapping(address)
	}
	return nil
}

// executed forgets what a program that was replaced had.
func (p *process) executed() {
	*p = process{pid: p.pid}
}

// runtime is where _PyRuntime lies in this process; empty for another program.
func (p *process) runtime() addressRange {
	if p.gilKnown {
		return p.gil
	}
	p.gilKnown = true
	if p.python && p.parent != nil {
		p.gil = p.parent.runtime()
		return p.gil
	}
	p.gil = findRuntime(p.pid)
	return p.gil
}

// runtimeSymbol is exported by every CPython since 3.7; the interpreter lock is part of it.
const runtimeSymbol = "_PyRuntime"

// findRuntime reads the symbol from the interpreter's file. The file is opened
// through the process's own root, so that containers are no hindrance.
func findRuntime(pid uint32) addressRange {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return addressRange{}
	}
	executable, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		executable = ""
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 6 || fields[2] != "00000000" || seen[fields[5]] || !isInterpreter(fields[5], executable) {
			continue
		}
		seen[fields[5]] = true
		low, _, _ := strings.Cut(fields[0], "-")
		base, err := strconv.ParseUint(low, 16, 64)
		if err != nil {
			continue
		}
		if r, ok := runtimeIn(fmt.Sprintf("/proc/%d/root%s", pid, fields[5]), base); ok {
			return r
		}
	}
	return addressRange{}
}

// runtimeIn finds the symbol in an ELF file that is mapped at base.
func runtimeIn(file string, base uint64) (addressRange, bool) {
	f, err := elf.Open(file)
	if err != nil {
		return addressRange{}, false
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return addressRange{}, false
	}
	for _, s := range symbols {
		if s.Name == runtimeSymbol && s.Size > 0 {
			start := s.Value
			if f.Type == elf.ET_DYN {
				start += base
			}
			return addressRange{start, start + s.Size}, true
		}
	}
	return addressRange{}, false
}
