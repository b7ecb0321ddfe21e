package procfs

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Mapping is one range of a process's memory, [Start, End).
type Mapping struct {
	Start, End, Offset uint64
	Executable         bool
	// Path is the mapped file or a name in brackets; empty for anonymous memory. Hostile text.
	Path string
}

// maxMappings bounds how many mappings are read of one process.
const maxMappings = 1 << 18

// Mappings reads /proc/PID/maps, sorted by Start. It needs the right to read
// the process's memory layout: the same user, or CAP_SYS_PTRACE.
func Mappings(pid int) ([]Mapping, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out []Mapping
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<16)
	for lines.Scan() && len(out) < maxMappings {
		if m, err := ParseMapping(lines.Bytes()); err == nil {
			out = append(out, m)
		}
	}
	if err := lines.Err(); err != nil && len(out) == 0 {
		return nil, err
	}
	return out, nil
}

// ParseMapping reads one line of a maps file.
func ParseMapping(line []byte) (Mapping, error) {
	bad := fmt.Errorf("%w: maps line", ErrMalformed)
	addresses, rest := nextField(line)
	first, last, ok := bytes.Cut(addresses, []byte{'-'})
	if !ok {
		return Mapping{}, bad
	}
	var m Mapping
	var err1, err2, err3 error
	m.Start, err1 = strconv.ParseUint(string(first), 16, 64)
	m.End, err2 = strconv.ParseUint(string(last), 16, 64)
	permissions, rest := nextField(rest)
	offset, rest := nextField(rest)
	m.Offset, err3 = strconv.ParseUint(string(offset), 16, 64)
	if err1 != nil || err2 != nil || err3 != nil || m.End < m.Start || len(permissions) < 4 {
		return Mapping{}, bad
	}
	m.Executable = permissions[2] == 'x'
	_, rest = nextField(rest) // device
	_, rest = nextField(rest) // inode
	m.Path = string(bytes.Trim(rest, " \t\n"))
	return m, nil
}

// Find is the mapping that holds an address; false when none does. mappings
// must be sorted by Start.
func Find(mappings []Mapping, address uint64) (Mapping, bool) {
	i, exact := slices.BinarySearchFunc(mappings, address, func(m Mapping, a uint64) int { return cmp.Compare(m.Start, a) })
	if !exact {
		i--
	}
	if i < 0 || address >= mappings[i].End {
		return Mapping{}, false
	}
	return mappings[i], true
}

// IsPython says whether a mapped file is the Python interpreter itself: its
// binary or its shared library.
func IsPython(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	name = strings.TrimSuffix(name, " (deleted)")
	if strings.HasPrefix(name, "libpython") {
		return true
	}
	rest, ok := strings.CutPrefix(name, "python")
	return ok && strings.Trim(rest, "0123456789.tdm") == ""
}
