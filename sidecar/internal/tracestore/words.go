package tracestore

import (
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// words gives the values of an enumeration a name each. A value without one (a newer
// CUPTI's, say) is written as "#" and its number, so that nothing is lost.
type words[T ~uint8] struct {
	names  []string
	values map[string]T
}

func newWords[T ~uint8](names ...string) words[T] {
	w := words[T]{names: names, values: map[string]T{}}
	for i, name := range names {
		w.values[name] = T(i)
	}
	return w
}

// namedBy takes the names that the values give themselves, up to a count.
func namedBy[T ~uint8](count T, name func(T) string) words[T] {
	names := make([]string, count)
	for v := range count {
		names[v] = name(v)
	}
	return newWords[T](names...)
}

func (w *words[T]) name(v T) string {
	if int(v) < len(w.names) {
		return w.names[v]
	}
	return "#" + strconv.Itoa(int(v))
}

// value is that of a name; false for a name that nothing has.
func (w *words[T]) value(name string) (T, bool) {
	if v, ok := w.values[name]; ok {
		return v, true
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 8)
	return T(n), err == nil
}

var (
	reasonWords = namedBy(timeline.NumReasons, timeline.Reason.String)
	copyWords   = namedBy(timeline.CopyPtoP+1, timeline.CopyKind.String)
	memoryWords = namedBy(timeline.MemoryManagedStatic+1, timeline.MemoryKind.String)
	sampleWords = newWords[timeline.SampleKind]("python", "native", "syscall", "fault", "on_cpu", "waiting")
	rangeWords  = newWords[timeline.RangeKind]("operator", "python", "loader")
	opWords     = newWords[timeline.OpKind]("kernel", "memcpy", "memset")
	classWords  = newWords[timeline.CallClass]("other", "launch", "copy", "sync", "alloc", "module", "event", "init")
)
