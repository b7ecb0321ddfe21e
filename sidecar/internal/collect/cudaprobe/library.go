package cudaprobe

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// libraryPrefix begins the file name of the driver's library: libcuda.so.1 is a link to libcuda.so.VERSION.
const libraryPrefix = "libcuda.so"

const (
	// maxLibraries is how many different files of that name a process may have mapped.
	maxLibraries = 4
	// maxFunctions bounds the probes of one library, which belongs to whoever is
	// profiled; driver 580 has 186 functions that are wanted.
	maxFunctions = 1024
)

// library is the driver's library as a process has mapped it.
type library struct {
	// path leads to the file through the process's own root, so that containers are no hindrance.
	path      string
	functions []function
	// refused are the names of functions that the kernel cannot probe.
	refused []string
}

// errGone says that the file of a mapped library is not there any more.
var errGone = errors.New("the file of the driver's library was replaced or removed since it was loaded")

// mappedLibraries are the files of the driver's library that a process executes.
func mappedLibraries(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, fmt.Errorf("list the mappings of process %d: %w", pid, err)
	}
	return librariesIn(string(text)), nil
}

// librariesIn finds them in the text of /proc/PID/maps. A file that was removed keeps the kernel's mark.
func librariesIn(maps string) []string {
	var found []string
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		if len(fields) < 6 || !strings.Contains(fields[1], "x") {
			continue
		}
		name := strings.Join(fields[5:], " ")
		if strings.HasPrefix(path.Base(name), libraryPrefix) && path.IsAbs(name) && len(found) < maxLibraries && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

// openLibrary reads the functions of a library that a process has mapped.
func openLibrary(pid int, mapped string) (*library, error) {
	if strings.HasSuffix(mapped, " (deleted)") {
		return nil, errGone
	}
	l := &library{path: fmt.Sprintf("/proc/%d/root%s", pid, mapped)}
	file, err := os.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("open the driver's library: %w", err)
	}
	defer file.Close()
	if err := l.read(file); err != nil {
		return nil, fmt.Errorf("read the driver's library %s: %w", mapped, err)
	}
	return l, nil
}

// read finds the wanted functions that an ELF file exports. Names for one address
// count once. The file is its owner's word: what debug/elf may do with a hostile one
// is contained here.
func (l *library) read(file *os.File) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("its ELF structure is broken: %v", fault)
		}
	}()
	f, err := elf.NewFile(file)
	if err != nil {
		return err
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return err
	}
	exported := map[string]bool{}
	for _, s := range symbols {
		exported[s.Name] = elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Section != elf.SHN_UNDEF
	}
	// The newest name of an address is the one whose arguments are known.
	slices.SortFunc(symbols, func(a, b elf.Symbol) int { return strings.Compare(b.Name, a.Name) })
	seen := map[uint64]bool{}
	for _, s := range symbols {
		if !exported[s.Name] || !wanted(s.Name) || seen[s.Value] || len(l.functions) == maxFunctions {
			continue
		}
		start, code, ok := codeAt(f, s)
		if !ok {
			continue
		}
		seen[s.Value] = true
		base := baseName(s.Name)
		at := probeOffset(code, f.Machine)
		if isRefused(code[at:], f.Machine) {
			l.refused = append(l.refused, base)
			continue
		}
		old := s.Name == base && exported[base+"_v2"]
		l.functions = append(l.functions, newFunction(s.Name, old, start+at))
	}
	if len(l.functions) == 0 {
		return errors.New("it exports none of the driver's functions")
	}
	return nil
}

// codeAt is where a function starts in the file, and its first bytes.
func codeAt(f *elf.File, s elf.Symbol) (offset uint64, code []byte, ok bool) {
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 || s.Value < p.Vaddr || s.Value-p.Vaddr >= p.Filesz {
			continue
		}
		within := s.Value - p.Vaddr
		code = make([]byte, min(p.Filesz-within, maxPrologue))
		if s.Size > 0 {
			code = code[:min(uint64(len(code)), s.Size)]
		}
		if _, err := p.ReadAt(code, int64(within)); err != nil {
			return 0, nil, false
		}
		return p.Off + within, code, true
	}
	return 0, nil, false
}
