// Package phrase words numbers and source lines for the sentences that analyses
// write. Everything it returns is one line of plain text.
package phrase

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Duration writes ns with two significant digits, the precision that a sentence
// needs: "2.4 s", "38 ms", "3 min 20 s". Negative durations are written as 0.
func Duration(ns int64) string {
	if ns <= 0 {
		return "0 s"
	}
	if ns >= 60e9 {
		s := int64(math.Round(float64(ns) / 1e9))
		if s < 3600 {
			return strconv.FormatInt(s/60, 10) + " min " + strconv.FormatInt(s%60, 10) + " s"
		}
		return strconv.FormatInt(s/3600, 10) + " h " + strconv.FormatInt(s%3600/60, 10) + " min"
	}
	ns = Round(ns)
	for _, u := range []struct {
		ns   int64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}} {
		if ns >= u.ns {
			v := float64(ns) / float64(u.ns)
			if v < 10 {
				return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + u.name
			}
			return strconv.FormatFloat(v, 'f', 0, 64) + " " + u.name
		}
	}
	return "0 s"
}

// Round keeps two significant digits: more would claim a precision that a
// prediction does not have.
func Round(ns int64) int64 {
	if ns < 100 {
		return ns
	}
	unit := int64(1)
	for ns/unit >= 100 {
		unit *= 10
	}
	return (ns + unit/2) / unit * unit
}

// Percent writes a share of 0..1 as "82%", "4.2%" or "<0.1%".
func Percent(share float64) string {
	p := share * 100
	switch {
	case math.IsNaN(p) || p <= 0:
		return "0%"
	case p < 0.1:
		return "<0.1%"
	case p < 9.95:
		return strings.TrimSuffix(strconv.FormatFloat(p, 'f', 1, 64), ".0") + "%"
	case p >= 99.5 && p < 99.999:
		return ">99%"
	}
	return strconv.FormatFloat(min(p, 100), 'f', 0, 64) + "%"
}

// Count writes n with its noun: "1 wait", "480 waits".
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

const maxCode = 60

// Line names a line with its text: "line 5 (`time.sleep(0.005)`)"; "line 5" when
// the text is not known, and "no line of the cell" for line 0.
func Line(l result.Line) string {
	if l.Number <= 0 {
		return "no line of the cell"
	}
	out := "line " + strconv.Itoa(int(l.Number))
	if code := Code(l.Text); code != "" {
		out += " (`" + code + "`)"
	}
	return out
}

// Code is source text fit for a sentence: on one line, without backticks and
// control characters, cut to a bounded length.
func Code(text string) string {
	if len(text) > 4*maxCode+64 {
		text = text[:4*maxCode+64]
	}
	text = Plain(text)
	if r := []rune(text); len(r) > maxCode {
		text = strings.TrimSpace(string(r[:maxCode-1])) + "…"
	}
	return text
}

// Plain is hostile text on one line: control and formatting characters and
// backticks become spaces, runs of spaces become one.
func Plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '`' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// Bytes writes a size: "1.5 GiB".
func Bytes(n int64) string {
	for _, u := range []struct {
		n    int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.n {
			return strconv.FormatFloat(float64(n)/float64(u.n), 'f', 1, 64) + " " + u.name
		}
	}
	return strconv.FormatInt(max(n, 0), 10) + " B"
}

var kindWords = map[result.CauseKind]string{
	result.CauseGC: "garbage collection", result.CauseGIL: "waiting for the GIL", result.CauseLock: "waiting for a lock",
	result.CauseHostIO: "reading and writing files", result.CauseNetworkIO: "waiting for the network", result.CauseSleep: "sleeping",
	result.CausePageFault: "bringing in memory", result.CausePreempted: "waiting for a CPU", result.CauseChild: "waiting for a child process",
	result.CausePoll: "waiting for events", result.CauseGPUDriver: "waiting in the GPU driver", result.CauseSyscall: "system calls",
	result.CauseProfiler: "held up by tracing", result.CauseWarmUp: "initialising CUDA", result.CauseCompile: "compiling or loading code",
	result.CauseLaunchLatency: "waiting for launches to reach the GPU", result.CauseStreamDependency: "streams waiting for each other",
	result.CauseDeviceWait: "waiting on the device without a visible reason", result.CauseSyncRefill: "refilling the queue after a synchronisation",
	result.CausePageableCopy: "copying from or to pageable memory", result.CauseAllocator: "allocating or freeing GPU memory",
	result.CauseCopyToDevice: "copying to the GPU", result.CauseCopyFromDevice: "copying from the GPU", result.CauseOtherCopy: "copying on the GPU",
	result.CauseDataLoading: "loading data", result.CauseFramework: "running framework code",
	result.CausePython: "running Python", result.CauseNative: "running compiled code", result.CauseUnknown: "not explained",
}

// Kind is a cause as something that the main thread was doing: "waiting for the GIL".
func Kind(k result.CauseKind) string {
	if w, ok := kindWords[k]; ok {
		return w
	}
	return Plain(strings.ReplaceAll(string(k), "_", " "))
}

// Doing is what a thread does that is off the CPU for this reason: "waiting for the GIL".
func Doing(r timeline.Reason) string {
	if r < timeline.NumReasons {
		return reasonDoing[r]
	}
	return reasonDoing[timeline.ReasonUnknown]
}

var reasonDoing = [timeline.NumReasons]string{
	timeline.ReasonUnknown: "blocked", timeline.ReasonPreempted: "waiting for a CPU", timeline.ReasonGIL: "waiting for the GIL",
	timeline.ReasonLock: "waiting for a lock", timeline.ReasonDisk: "reading or writing files",
	timeline.ReasonNetwork: "waiting for the network", timeline.ReasonSleep: "asleep", timeline.ReasonPageFault: "in page faults",
	timeline.ReasonPoll: "waiting for an event", timeline.ReasonPipe: "waiting on a pipe", timeline.ReasonChild: "waiting for a child process",
	timeline.ReasonGPUDriver: "in the GPU driver", timeline.ReasonSyscall: "in a system call",
}

var classWords = map[result.Class]string{result.CPUBound: "CPU-bound", result.GPUBound: "GPU-bound",
	result.MemoryTransferBound: "bound by transfers", result.Balanced: "balanced"}

// Class is a verdict's class in words.
func Class(c result.Class) string {
	if w, ok := classWords[c]; ok {
		return w
	}
	return "unknown"
}

// maxKernel bounds the length of a kernel's short name.
const maxKernel = 48

// Kernel is a kernel's name fit for a sentence, in backticks: without namespaces,
// template arguments and parameters, also where the name is mangled.
func Kernel(name string) string {
	short := strings.ReplaceAll(unmangled(Plain(name)), "(anonymous namespace)::", "") // no parameters begin there
	if i := strings.IndexAny(short, "<("); i > 0 {
		short = short[:i]
	}
	short = strings.TrimPrefix(short, "void ")
	if i := strings.LastIndex(short, "::"); i >= 0 && i+2 < len(short) {
		short = short[i+2:]
	}
	if r := []rune(short); len(r) > maxKernel {
		short = string(r[:maxKernel-1]) + "…"
	}
	if short == "" {
		return "a kernel without a name"
	}
	return "`" + short + "`"
}

// unmangled is the last plain part of a nested name that the C++ compiler mangled
// ("_ZN2at6native4gemmI…" is "gemm"), or the name as it is.
func unmangled(name string) string {
	rest, ok := strings.CutPrefix(name, "_Z")
	if !ok {
		return name
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "N"), "St")
	last := ""
	for {
		digits := 0
		for digits < len(rest) && digits < 4 && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n <= 0 || n > len(rest)-digits {
			break
		}
		last, rest = rest[digits:digits+n], rest[digits+n:]
	}
	if last == "" {
		return name
	}
	return last
}

// Copy is a kind of copy in words: "host to device, from pageable memory".
func Copy(c result.Copy) string {
	words := map[string]string{"HtoD": "host to device", "DtoH": "device to host", "DtoD": "within the device", "PtoP": "between devices"}
	out, ok := words[c.Kind]
	if !ok {
		out = c.Kind
	}
	switch {
	case c.Source == "pageable":
		out += ", from pageable memory"
	case c.Target == "pageable":
		out += ", to pageable memory"
	case c.Source == "pinned":
		out += ", from pinned memory"
	case c.Target == "pinned":
		out += ", to pinned memory"
	}
	return out
}
