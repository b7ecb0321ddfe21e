package result

// Repetition is a loop of the cell and how evenly it went. The zero value belongs
// to a cell that repeats nothing.
type Repetition struct {
	// Line began once a pass.
	Line Line
	// Passes is how many passes were timed, SpanNs the time of all of them.
	Passes, SpanNs int64
	// NoiseNs is half of the 95 % interval of SpanNs, as far as it can be told from how
	// passes that follow each other differ.
	NoiseNs int64
}

// Comparison is what changed from the runs before to the runs after. No slice in it
// is nil. What is said of lines, causes, devices and findings is from the run in the
// middle of each side, so that all of it adds up to one difference of wall times.
type Comparison struct {
	Before, After Side
	// Wall is the wall time of the two runs in the middle.
	Wall Delta
	// Change is the difference as a share of the wall before: -0.25 is a quarter less. 0 without a wall.
	Change float64
	// Outcome says whether it helped, Sentence says it to the user. Plain text, ends with a full stop.
	Outcome  Outcome
	Sentence string
	Noise    Noise
	// Edited, Added and Removed count the lines of the source that differ.
	Edited, Added, Removed int
	// Lines are the lines that took time on either side; their Wall sums to Wall. Largest change first.
	Lines []LineChange
	// Causes are those of the host, by kind; they sum to Wall. Largest change first.
	Causes []CauseChange
	// Idle is the GPU's idle time, and IdleCauses sum to it. Largest change first.
	Idle       Delta
	IdleCauses []CauseChange
	// Devices are the GPUs that worked on either side, by index.
	Devices []DeviceChange
	// Kernels sum to KernelTime, the kernels' lengths on all devices. Largest change first.
	KernelTime Delta
	Kernels    []KernelChange
	Copies     []CopyChange
	// Gone are the findings that are no more, New those that were not there before, and Kept
	// those of both sides as they are after.
	Gone, New, Kept []Finding
	// Notes are sentences about what makes the two sides less comparable.
	Notes []string
}

// Side is one side of a comparison.
type Side struct {
	// Runs has at least one, in the order given.
	Runs []SideRun
	// Middle is the index in Runs of the run with the median wall, the shorter one of two.
	Middle int
	// Cell and Verdict are those of the run in the middle. Cell.Lines holds its source.
	Cell    Cell
	Verdict Verdict
	// Kind is the Source.Kind, ToolVersion the version of InferScope.
	Kind, ToolVersion string
}

// SideRun is one run.
type SideRun struct {
	// Name is how the run was asked for: a run's id or a path. Hostile text.
	Name   string
	WallNs int64
}

// Delta is an amount before and after, in ns or as a count.
type Delta struct{ Before, After int64 }

// Diff is how much more it is after.
func (d Delta) Diff() int64 { return d.After - d.Before }

// Outcome says whether a change helped.
type Outcome string

// The outcomes.
const (
	Faster Outcome = "faster"
	Slower Outcome = "slower"
	// NoDifference: none that can be told from noise.
	NoDifference Outcome = "no_difference"
	// Incomparable: the walls are not those of the same work, as when one run failed.
	Incomparable Outcome = "incomparable"
)

// NoiseMethod says where the noise is known from.
type NoiseMethod string

// The methods; docs/comparing.md describes them.
const (
	// NoiseRanks: the distribution-free interval of Hodges and Lehmann's shift of log walls.
	NoiseRanks NoiseMethod = "ranks"
	// NoiseStudent: Student's interval of the difference of mean log walls, for few runs.
	NoiseStudent NoiseMethod = "student"
	// NoiseAssumed: one run a side; a floor, and what the runs show of themselves.
	NoiseAssumed NoiseMethod = "assumed"
	// NoiseNone: there is no wall to judge.
	NoiseNone NoiseMethod = "none"
)

// Noise is by how much two sides differ without a reason.
type Noise struct {
	Method NoiseMethod
	// Level is the interval's coverage, 0..1: exact for NoiseRanks; 0 for NoiseAssumed, which has none.
	Level float64
	// Low and High bound the change, as Comparison.Change: the interval, or the change with the assumed noise around it.
	Low, High float64
	// Share is half of the interval's width as a share; Ns the same of the longer wall.
	Share float64
	Ns    int64
	// Why says in a sentence what set it.
	Why string
	// Hint says what would make the answer surer; empty when nothing would.
	Hint string
}

// LineMatch says how a line of one side was found on the other.
type LineMatch string

// The matches.
const (
	SameLine    LineMatch = "same"
	EditedLine  LineMatch = "edited"
	AddedLine   LineMatch = "added"
	RemovedLine LineMatch = "removed"
	// OutsideLines is the time in which no line of the cell was executing.
	OutsideLines LineMatch = "outside"
)

// LineChange is one line of the cell.
type LineChange struct {
	Match LineMatch
	// Before and After are the line on each side; Number 0 where there is none.
	Before, After Line
	// Wall is the main thread's time on the line.
	Wall Delta
	// Beyond says that the change is larger than the noise of the wall.
	Beyond bool
	// Causes sum to Wall; largest change first.
	Causes []KindChange
	// Hits is how often the line began, GPUTime the device's time that it launched, IdleCaused the idle time that is its.
	Hits, GPUTime, IdleCaused Delta
}

// KindChange is the time of one cause.
type KindChange struct {
	Kind CauseKind
	Time Delta
}

// CauseChange is the time of one cause in the whole cell.
type CauseChange struct {
	KindChange
	Beyond bool
	// Line is where it changed most in the direction of its change, as it is after, or
	// before where it was removed; Number 0 when no line did. LineTime is the cause's time there.
	Line     Line
	LineTime Delta
}

// DeviceChange is what one GPU did.
type DeviceChange struct {
	Index int32
	Name  string
	// Busy and Idle are ns over the cell, Kernels and Memcpys numbers of operations.
	Busy, Idle, Kernels, Memcpys Delta
	// Beyond says that the change of Busy is larger than the noise of the wall, as below that of Time.
	Beyond bool
}

// KernelChange is what was launched of one kernel, on all devices.
type KernelChange struct {
	// Name is empty for all kernels that are listed by name on neither side. Hostile text.
	Name        string
	Count, Time Delta
	// ListedBefore and ListedAfter say that the side listed it: results name the longest kernels only, and the
	// others' time is in the entry without a name.
	ListedBefore, ListedAfter bool
	Beyond                    bool
}

// CopyChange is one kind of copy, on all devices.
type CopyChange struct {
	Kind, Source, Target string
	Count, Time, Bytes   Delta
	Beyond               bool
}
