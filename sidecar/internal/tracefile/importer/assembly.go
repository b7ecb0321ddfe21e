package importer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// What a hostile trace can make us allocate is bounded. Whatever goes past a bound is
// counted as lost.
const (
	// MaxDevices and MaxThreads are far above what one machine has.
	MaxDevices = 256
	MaxThreads = 1 << 14
	// maxRecords is some 6 GiB of columns; a trace with that many has tens of gigabytes itself.
	maxRecords   = 100_000_000
	maxScopes    = 4_000_000
	maxOverheads = 1_000_000
	// maxCounters is how many counters are told apart; a report shows a dozen.
	maxCounters = 256
)

// stepPrefix begins the name of a step of the PyTorch profiler.
const stepPrefix = "ProfilerStep#"

// Assembly collects what an importer reads and makes the timeline of it. One goroutine uses it.
type Assembly struct {
	b       *timeline.Builder
	kind    string
	opts    Options
	devices map[int32]*timeline.DeviceBuilder
	seen    map[int32]bool // devices with operations, those that were not asked for included
	threads []*Thread
	byID    map[threadID]*Thread
	names   map[threadID]string // of threads, whether they did something or not
	classes []callClass         // by name
	kinds   []textKind          // by name
	scopes  []scope
	wall    timeline.Interval
	began   bool
	lost    map[string]int64
	notes   []string
	epochNs int64

	records, ops, calls, ranges, overheads int64

	counters map[string]*timeline.Counter
}

type threadID struct{ pid, tid int64 }

// Thread is a host thread of the trace.
type Thread struct {
	b *timeline.ThreadBuilder
	// launches are calls that give a device work, steps the profiler's; rangeNs is what ranges sum to.
	launches, steps, rangeNs int64
}

// callClass is a call's class, known once its name was looked at.
type callClass struct {
	known bool
	class timeline.CallClass
}

// scope is a stretch that the program named.
type scope struct {
	start, end int64
	thread     *Thread
	name       timeline.NameID
}

// NewAssembly begins a timeline from a trace of the given kind.
func NewAssembly(kind string, opts Options) *Assembly {
	a := &Assembly{b: timeline.NewBuilder(), kind: kind, opts: opts, devices: map[int32]*timeline.DeviceBuilder{},
		seen: map[int32]bool{}, byID: map[threadID]*Thread{}, names: map[threadID]string{}, lost: map[string]int64{},
		counters: map[string]*timeline.Counter{}}
	a.b.SetRung(timeline.RungTrace)
	return a
}

// Name interns a string.
func (a *Assembly) Name(s string) timeline.NameID { return a.b.Name(s) }

// Text is the string of a name.
func (a *Assembly) Text(name timeline.NameID) string { return a.b.Text(name) }

// Lose counts records that could not be used. reason ends a sentence that begins with the count.
func (a *Assembly) Lose(reason string, n int64) {
	if n > 0 {
		a.lost[reason] += n
	}
}

// Note adds a sentence about the trace.
func (a *Assembly) Note(format string, args ...any) {
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
}

// SetEpoch says what time 0 of the trace is, in ns since 1970.
func (a *Assembly) SetEpoch(ns int64) { a.epochNs = ns }

// Covers says that the trace has something in [start, end), so that it belongs to the wall.
func (a *Assembly) Covers(start, end int64) {
	if !a.began {
		a.began, a.wall = true, timeline.Interval{Start: start, End: end}
		return
	}
	a.wall.Start, a.wall.End = min(a.wall.Start, start), max(a.wall.End, end)
}

// Wall is what the records added so far cover.
func (a *Assembly) Wall() timeline.Interval { return a.wall }

// room counts one record, false when there are too many.
func (a *Assembly) room() bool {
	a.records++
	if a.records > maxRecords {
		a.Lose("records past the first "+strconv.Itoa(maxRecords/1_000_000)+" million", 1)
		return false
	}
	return true
}

// Thread is the host thread of these ids, made when first asked for; nil when there are
// too many. Ids that do not fit into 32 bits, as pthread's do not, are replaced by
// others, and the thread is named by them.
func (a *Assembly) Thread(pid, tid int64) *Thread {
	id := threadID{pid, tid}
	if t := a.byID[id]; t != nil {
		return t
	}
	if len(a.threads) >= MaxThreads {
		a.Lose("records of threads past the first "+strconv.Itoa(MaxThreads), 1)
		return nil
	}
	t := &Thread{}
	// Negative process ids stand for other programs in a timeline.
	if pid < 0 || pid > math.MaxInt32 {
		pid = 1<<30 + int64(uint16(pid))
	}
	narrow := int32(tid)
	if int64(narrow) != tid {
		narrow = math.MinInt32 + int32(len(a.threads))
	}
	t.b = a.b.Thread(int32(pid), narrow)
	if int64(narrow) != tid {
		t.b.SetComm("thread " + strconv.FormatInt(tid, 10))
	}
	a.threads = append(a.threads, t)
	a.byID[id] = t
	return t
}

// NameThread gives a thread's name as the trace has it, before or after the thread's first record.
func (a *Assembly) NameThread(pid, tid int64, name string) {
	if len(a.names) < MaxThreads && name != "" {
		a.names[threadID{pid, tid}] = name
	}
}

// wants says whether a device is one that was asked for.
func (a *Assembly) wants(index int32) bool {
	return a.opts.Device == AllDevices || a.opts.Device == index
}

// Describe sets what a device is, when it had any operation: call it after all of them.
func (a *Assembly) Describe(index int64, name, pci string, memoryBytes int64) {
	if index < 0 || index >= MaxDevices || !a.seen[int32(index)] || !a.wants(int32(index)) {
		return
	}
	a.device(int32(index)).Describe(name, pci, memoryBytes)
}

func (a *Assembly) device(index int32) *timeline.DeviceBuilder {
	d := a.devices[index]
	if d == nil {
		d = a.b.Device(index)
		a.devices[index] = d
	}
	return d
}

// Op adds an operation of a device; it belongs to the wall.
func (a *Assembly) Op(device int64, o timeline.Op) {
	a.Covers(o.Start, o.End)
	switch {
	case device < 0 || device >= MaxDevices:
		a.Lose("operations of no device that there can be", 1)
		return
	case !a.room():
		return
	}
	a.seen[int32(device)] = true
	if a.wants(int32(device)) {
		a.ops++
		a.device(int32(device)).Append(o)
	}
}

// Call adds a call of CUDA's or HIP's runtime or driver; it belongs to the wall. t may be nil.
func (a *Assembly) Call(t *Thread, start, end int64, name timeline.NameID, correlation uint32) {
	a.Covers(start, end)
	if t == nil || !a.room() {
		return
	}
	class := a.class(name)
	if class == timeline.CallLaunch || class == timeline.CallCopy {
		t.launches++
	}
	a.calls++
	a.b.Calls().Append(start, end, t.b.ID(), class, name, correlation)
}

func (a *Assembly) class(name timeline.NameID) timeline.CallClass {
	for int(name) >= len(a.classes) {
		a.classes = append(a.classes, make([]callClass, int(name)+1)...)
	}
	c := &a.classes[name]
	if !c.known {
		function := a.b.Text(name)
		for _, hip := range []string{"hipExtModuleLaunch", "hipModuleLaunch", "hipExtLaunch"} {
			if strings.HasPrefix(function, hip) {
				function = "hipLaunch"
			}
		}
		if rest, ok := strings.CutPrefix(function, "hip"); ok {
			function = "cuda" + rest
		}
		*c = callClass{true, collect.CallClass(function)}
	}
	return c.class
}

// Range adds a stretch over which code was active; it belongs to the wall. t may be nil.
func (a *Assembly) Range(t *Thread, start, end int64, name timeline.NameID, kind timeline.RangeKind) {
	a.Covers(start, end)
	if t == nil || !a.room() {
		return
	}
	a.ranges++
	t.rangeNs += end - start
	if kind == timeline.RangePython {
		t.b.SetPython()
	}
	t.b.AppendRange(start, end, name, kind)
}

// Marked adds a stretch that the program named: a step, a stretch of the user's, or an
// operator or data loader that announces itself in this way. It belongs to the wall. t may be nil.
func (a *Assembly) Marked(t *Thread, start, end int64, name timeline.NameID) {
	kind := a.textKind(name)
	switch kind {
	case textLoader:
		a.Range(t, start, end, name, timeline.RangeLoader)
		return
	case textOperator:
		a.Range(t, start, end, name, timeline.RangeOperator)
	}
	a.scope(t, start, end, name, kind)
}

// Operator adds an operator of a framework; old traces have steps and data loaders among them.
func (a *Assembly) Operator(t *Thread, start, end int64, name timeline.NameID) {
	switch kind := a.textKind(name); kind {
	case textStep:
		a.scope(t, start, end, name, kind)
	case textLoader:
		a.Range(t, start, end, name, timeline.RangeLoader)
	default:
		a.Range(t, start, end, name, timeline.RangeOperator)
	}
}

func (a *Assembly) scope(t *Thread, start, end int64, name timeline.NameID, kind textKind) {
	a.Covers(start, end)
	if t == nil || !a.room() {
		return
	}
	if len(a.scopes) >= maxScopes {
		a.Lose("named stretches past the first "+strconv.Itoa(maxScopes/1_000_000)+" million", 1)
		return
	}
	if kind == textStep {
		t.steps++
	}
	a.scopes = append(a.scopes, scope{start, end, t, name})
}

// Counter adds a reading of a counter: its value from a time, in ns, until that of the next.
// It is no work, and so does not belong to the wall. Names as of timeline.GPUCounter have
// their place in a report; a value that is no number is counted as lost.
func (a *Assembly) Counter(name, unit string, at int64, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		a.Lose("readings of counters were no numbers", 1)
		return
	}
	if !a.room() {
		return
	}
	c := a.counters[name]
	if c == nil {
		if len(a.counters) >= maxCounters {
			a.Lose("readings of counters past the first "+strconv.Itoa(maxCounters), 1)
			return
		}
		c = a.b.Counter(name, unit)
		a.counters[name] = c
	}
	c.Time, c.Value = append(c.Time, at), append(c.Value, value)
}

// Overhead adds a stretch in which the tool held the program up.
func (a *Assembly) Overhead(start, end int64) {
	if a.overheads++; a.overheads > maxOverheads {
		a.Lose("overhead records past the first "+strconv.Itoa(maxOverheads/1_000_000)+" million", 1)
		return
	}
	a.b.AddOverhead(timeline.Interval{Start: start, End: end})
}

// Finish makes the timeline. The assembly must not be used afterwards.
func (a *Assembly) Finish() (*Imported, error) {
	if !a.began {
		return nil, &Error{Reason: "it holds no event with a time", Hint: "record the trace while the program works"}
	}
	if err := a.checkDevice(); err != nil {
		return nil, err
	}
	window := a.wall
	if a.opts.Step != "" {
		s, err := a.findStep()
		if err != nil {
			return nil, err
		}
		window = timeline.Interval{Start: s.start, End: s.end}
		a.Note("Only %s is analysed, %d of the trace's %d ns.", quoted(a.b.Text(s.name)), window.Ns(), a.wall.Ns())
	} else {
		a.b.SetNoCell()
	}
	a.addScopes()
	for id, name := range a.names {
		if t := a.byID[id]; t != nil {
			t.b.SetName(name)
		}
	}
	if main := a.main(); main != nil {
		main.b.SetMain()
	}
	a.losses()
	return &Imported{Timeline: a.b.Build(window), Kind: a.kind, Notes: a.notes, EpochNs: a.epochNs}, nil
}

func (a *Assembly) checkDevice() error {
	if a.opts.Device == AllDevices || a.seen[a.opts.Device] {
		return nil
	}
	var have []int
	for index := range a.seen {
		have = append(have, int(index))
	}
	slices.Sort(have)
	names := make([]string, 0, len(have))
	for _, index := range have[:min(len(have), 16)] {
		names = append(names, strconv.Itoa(index))
	}
	return &NotThere{What: "device", Asked: strconv.Itoa(int(a.opts.Device)), Have: names, Count: len(have)}
}

// main is the thread that the report calls the main one: that of the profiler's steps,
// else the one that gives the devices most work, else the one with most marked code.
func (a *Assembly) main() *Thread {
	if len(a.threads) == 0 {
		return nil
	}
	return slices.MaxFunc(a.threads, func(x, y *Thread) int {
		return cmp.Or(cmp.Compare(min(x.steps, 1), min(y.steps, 1)), cmp.Compare(x.launches, y.launches), cmp.Compare(x.rangeNs, y.rangeNs))
	})
}

// losses says what the trace does not hold: no tool's trace tells when threads ran.
func (a *Assembly) losses() {
	lose := func(reason, enable string) {
		a.b.AddLoss(timeline.Loss{Source: a.kind, Reason: reason, Enable: enable})
	}
	lose("the trace does not tell when threads ran or waited: GIL, locks, files, page faults and a lack of CPUs cannot be told apart", "")
	if a.calls == 0 && a.ops > 0 {
		lose("the trace has no CUDA calls: what kept the GPU idle is not known", "")
	}
	reasons := make([]string, 0, len(a.lost))
	for reason := range a.lost {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		a.b.AddLoss(timeline.Loss{Source: a.kind, Reason: reason, Count: a.lost[reason]})
	}
}
