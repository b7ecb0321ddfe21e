package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// ErrMalformed says that a file of /proc did not look as documented.
var ErrMalformed = errors.New("malformed /proc file")

// Stat is what is used of /proc/PID/stat or /proc/PID/task/TID/stat. Of the
// former the counts are sums over all threads, those that ended included.
type Stat struct {
	// Comm is the name as the kernel knows it: hostile text.
	Comm string
	// State is the letter of proc(5): R running or runnable, S sleeping, D
	// uninterruptible, T stopped, Z or X dead.
	State                    byte
	PPID                     int32
	MinorFaults, MajorFaults int64
	// UserTicks and SystemTicks are CPU time in ticks of 1/100 s.
	UserTicks, SystemTicks int64
	Threads                int
	// StartTicks is the start after boot in ticks of 1/100 s.
	StartTicks int64
	// Processor is the CPU it last ran on.
	Processor int
}

// Fields of stat by their index after the closing parenthesis of the name.
const (
	statState     = 0
	statPPID      = 1
	statMinflt    = 7
	statMajflt    = 9
	statUtime     = 11
	statStime     = 12
	statThreads   = 17
	statStart     = 19
	statProcessor = 36
)

// ParseStat reads a stat file. The name ends at the last closing parenthesis.
func ParseStat(text []byte) (Stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return Stat{}, fmt.Errorf("%w: stat without a name", ErrMalformed)
	}
	s := Stat{Comm: string(text[open+1 : end])}
	rest := text[end+1:]
	for i := 0; i <= statProcessor; i++ {
		var field []byte
		if field, rest = nextField(rest); len(field) == 0 {
			return Stat{}, fmt.Errorf("%w: stat ends after field %d", ErrMalformed, i)
		}
		if i == statState {
			s.State = field[0]
			continue
		}
		var into *int64
		var small int64
		switch i {
		case statMinflt:
			into = &s.MinorFaults
		case statMajflt:
			into = &s.MajorFaults
		case statUtime:
			into = &s.UserTicks
		case statStime:
			into = &s.SystemTicks
		case statStart:
			into = &s.StartTicks
		case statPPID, statThreads, statProcessor:
			into = &small
		default:
			continue
		}
		v, ok := parseInt(field)
		if !ok {
			return Stat{}, fmt.Errorf("%w: stat field %d", ErrMalformed, i)
		}
		*into = v
		switch i {
		case statPPID:
			s.PPID = int32(v)
		case statThreads:
			s.Threads = int(v)
		case statProcessor:
			s.Processor = int(v)
		}
	}
	return s, nil
}

// Schedstat is a thread's /proc/PID/task/TID/schedstat.
type Schedstat struct {
	// RunNs is the time on a CPU, DelayNs the time runnable without one.
	RunNs, DelayNs int64
	// Slices is how many times the thread was put on a CPU.
	Slices int64
}

// ParseSchedstat reads a schedstat file.
func ParseSchedstat(text []byte) (Schedstat, error) {
	var s Schedstat
	for _, into := range []*int64{&s.RunNs, &s.DelayNs, &s.Slices} {
		var field []byte
		field, text = nextField(text)
		v, ok := parseInt(field)
		if !ok {
			return Schedstat{}, fmt.Errorf("%w: schedstat", ErrMalformed)
		}
		*into = v
	}
	return s, nil
}

// Syscall is a thread's /proc/PID/task/TID/syscall.
type Syscall struct {
	// Running says that the thread was not blocked; the rest is then unset.
	Running bool
	// Number is the system call in which it is blocked, -1 for none.
	Number int64
	// Args are the call's six arguments.
	Args [6]uint64
	// PC is the instruction pointer in user mode.
	PC uint64
}

// ParseSyscall reads a syscall file.
func ParseSyscall(text []byte) (Syscall, error) {
	field, rest := nextField(text)
	if string(field) == "running" {
		return Syscall{Running: true, Number: -1}, nil
	}
	number, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil {
		return Syscall{}, fmt.Errorf("%w: syscall number", ErrMalformed)
	}
	s := Syscall{Number: number}
	n := 0
	var values [8]uint64
	for ; n < len(values); n++ {
		if field, rest = nextField(rest); len(field) == 0 {
			break
		}
		v, err := strconv.ParseUint(string(bytes.TrimPrefix(field, []byte("0x"))), 16, 64)
		if err != nil {
			return Syscall{}, fmt.Errorf("%w: syscall argument %d", ErrMalformed, n)
		}
		values[n] = v
	}
	switch {
	case n == len(values): // the arguments, sp, pc
		copy(s.Args[:], values[:6])
		s.PC = values[7]
	case n == 2 && number < 0: // sp, pc
		s.PC = values[1]
	default:
		return Syscall{}, fmt.Errorf("%w: syscall with %d values", ErrMalformed, n)
	}
	return s, nil
}

// value is the number behind "key" and a colon in a file of such lines (status,
// io), without its unit.
func value(text []byte, key string) (int64, bool) {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		if len(line) > len(key) && line[len(key)] == ':' && string(line[:len(key)]) == key {
			field, _ := nextField(line[len(key)+1:])
			return parseInt(field)
		}
	}
	return 0, false
}

// maxCPUs bounds the numbers in a list of CPUs or nodes.
const maxCPUs = 1 << 16

// ParseList reads the kernel's list format, "0-3,8,10-11": CPUs or memory nodes.
func ParseList(text []byte) ([]int, error) {
	text = bytes.TrimSpace(text)
	out := []int{}
	if len(text) == 0 {
		return out, nil
	}
	for part := range bytes.SplitSeq(text, []byte{','}) {
		first, last, ranged := bytes.Cut(part, []byte{'-'})
		a, ok := parseInt(first)
		b := a
		if ok && ranged {
			b, ok = parseInt(last)
		}
		if !ok || a < 0 || b < a || b >= maxCPUs || len(out)+int(b-a) >= maxCPUs {
			return nil, fmt.Errorf("%w: list %q", ErrMalformed, text)
		}
		for ; a <= b; a++ {
			out = append(out, int(a))
		}
	}
	return out, nil
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// nextField cuts the first field of blank-separated text.
func nextField(text []byte) (field, rest []byte) {
	i := 0
	for i < len(text) && space(text[i]) {
		i++
	}
	start := i
	for i < len(text) && !space(text[i]) {
		i++
	}
	return text[start:i], text[i:]
}

// parseInt reads a decimal number without allocating. Values above the range of
// int64 (the kernel prints some unsigned ones) are saturated.
func parseInt(field []byte) (int64, bool) {
	negative := len(field) > 0 && field[0] == '-'
	if negative {
		field = field[1:]
	}
	if len(field) == 0 {
		return 0, false
	}
	var v int64
	for _, c := range field {
		if c < '0' || c > '9' {
			return 0, false
		}
		if v > (1<<63-1-9)/10 {
			v = 1<<63 - 1
			continue
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	return v, true
}
