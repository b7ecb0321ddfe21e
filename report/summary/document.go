package summary

// The types of the document. Their fields and schema.json say the same; a test compares them.

type summaryDoc struct {
	Schema      string         `json:"schema"`
	ToolVersion string         `json:"tool_version"`
	Source      sourceDoc      `json:"source"`
	Cell        cellDoc        `json:"cell"`
	WallNs      int64          `json:"wall_ns"`
	Notes       []string       `json:"notes"`
	Devices     []deviceDoc    `json:"devices"`
	Verdict     verdictDoc     `json:"verdict"`
	Idle        idleDoc        `json:"idle"`
	Host        hostDoc        `json:"host"`
	WhatIf      []whatIfDoc    `json:"whatif"`
	Unpredicted string         `json:"unpredicted"`
	Findings    []findingDoc   `json:"findings"`
	Losses      []lossDoc      `json:"losses"`
	Collectors  []collectorDoc `json:"collectors"`
	Overhead    overheadDoc    `json:"overhead"`
	Since       *sinceDoc      `json:"since"`
}

// sinceDoc is what changed since the run before of the same cell.
type sinceDoc struct {
	Outcome      string `json:"outcome"`
	Sentence     string `json:"sentence"`
	WallBeforeNs int64  `json:"wall_before_ns"`
}

type sourceDoc struct {
	Kind string `json:"kind"`
	Path string `json:"path"`
}

type cellDoc struct {
	Name           string `json:"name"`
	Outcome        string `json:"outcome"`
	ErrorName      string `json:"error_name"`
	ExecutionCount int    `json:"execution_count"`
	Lines          int    `json:"lines"`
}

type verdictDoc struct {
	Class       string   `json:"class"`
	Leaning     string   `json:"leaning"`
	TopCause    string   `json:"top_cause"`
	Confidence  float64  `json:"confidence"`
	Evidence    float64  `json:"evidence"`
	Margin      float64  `json:"margin"`
	Quality     float64  `json:"quality"`
	EvidenceWhy string   `json:"evidence_why"`
	MarginWhy   string   `json:"margin_why"`
	QualityWhy  string   `json:"quality_why"`
	Sentence    string   `json:"sentence"`
	Line        *lineDoc `json:"line"`
}

type idleDoc struct {
	TotalNs     int64          `json:"total_ns"`
	TotalLowNs  int64          `json:"total_low_ns"`
	TotalHighNs int64          `json:"total_high_ns"`
	Causes      []idleCauseDoc `json:"causes"`
}

// idleCauseDoc is a cause of idle time with its interval.
type idleCauseDoc struct {
	causeDoc
	LowNs  int64 `json:"low_ns"`
	HighNs int64 `json:"high_ns"`
}

type lineDoc struct {
	File string `json:"file"`
	Line int32  `json:"line"`
	Text string `json:"text"`
}

type causeDoc struct {
	Cause  string   `json:"cause"`
	Ns     int64    `json:"ns"`
	Share  float64  `json:"share"`
	Line   *lineDoc `json:"line"`
	Thread string   `json:"thread"`
	Detail string   `json:"detail"`
	Count  int64    `json:"count"`
}

type statesDoc struct {
	RunningNs  int64            `json:"running_ns"`
	RunnableNs int64            `json:"runnable_ns"`
	BlockedNs  map[string]int64 `json:"blocked_ns"`
	UnknownNs  int64            `json:"unknown_ns"`
}

type hostDoc struct {
	Rung      string        `json:"rung"`
	States    statesDoc     `json:"states"`
	Causes    []causeDoc    `json:"causes"`
	ByKind    []causeDoc    `json:"by_kind"`
	Lines     []lineStatDoc `json:"lines"`
	Threads   []threadDoc   `json:"threads"`
	Functions []functionDoc `json:"functions"`
	Scopes    []scopeDoc    `json:"scopes"`
	Marks     []markDoc     `json:"marks"`
	GC        gcDoc         `json:"gc"`
	Process   processDoc    `json:"process"`
}

// lineStatDoc has zeros for the device where there is none.
type lineStatDoc struct {
	lineDoc
	HostNs         int64      `json:"host_ns"`
	GPUNs          int64      `json:"gpu_ns"`
	IdleCausedNs   int64      `json:"idle_caused_ns"`
	Launches       int64      `json:"launches"`
	Copies         int64      `json:"copies"`
	TotalNs        int64      `json:"total_ns"`
	Hits           int64      `json:"hits"`
	Exact          bool       `json:"exact"`
	States         statesDoc  `json:"states"`
	Causes         []causeDoc `json:"causes"`
	OtherThreadsNs int64      `json:"other_threads_ns"`
	// Intervals is nil where nothing was estimated.
	Intervals *lineIntervalsDoc `json:"intervals"`
}

// lineIntervalsDoc are the intervals of what a line did to the devices.
type lineIntervalsDoc struct {
	GPULowNs         int64 `json:"gpu_low_ns"`
	GPUHighNs        int64 `json:"gpu_high_ns"`
	IdleCausedLowNs  int64 `json:"idle_caused_low_ns"`
	IdleCausedHighNs int64 `json:"idle_caused_high_ns"`
	LaunchesLow      int64 `json:"launches_low"`
	LaunchesHigh     int64 `json:"launches_high"`
	CopiesLow        int64 `json:"copies_low"`
	CopiesHigh       int64 `json:"copies_high"`
}

type threadDoc struct {
	PID      int32     `json:"pid"`
	TID      int32     `json:"tid"`
	Name     string    `json:"name"`
	Main     bool      `json:"main"`
	Python   bool      `json:"python"`
	States   statesDoc `json:"states"`
	Switches int64     `json:"switches"`
}

type functionDoc struct {
	Name     string  `json:"name"`
	File     string  `json:"file"`
	Line     int32   `json:"line"`
	SelfNs   int64   `json:"self_ns"`
	Share    float64 `json:"share"`
	Native   string  `json:"native"`
	Samples  int64   `json:"samples"`
	CellLine int32   `json:"cell_line"`
	Exact    bool    `json:"exact"`
	Calls    int64   `json:"calls"`
}

type scopeDoc struct {
	Name     string `json:"name"`
	Count    int64  `json:"count"`
	TotalNs  int64  `json:"total_ns"`
	MinNs    int64  `json:"min_ns"`
	MedianNs int64  `json:"median_ns"`
	MaxNs    int64  `json:"max_ns"`
}

type markDoc struct {
	Name       string `json:"name"`
	Attributes string `json:"attributes"`
	Thread     string `json:"thread"`
	AtNs       int64  `json:"at_ns"`
}

type gcDoc struct {
	Count        int64   `json:"count"`
	TotalNs      int64   `json:"total_ns"`
	MaxNs        int64   `json:"max_ns"`
	Collected    int64   `json:"collected"`
	ByGeneration []int64 `json:"by_generation"`
}

type processDoc struct {
	PID                 int32     `json:"pid"`
	MinorFaults         int64     `json:"minor_faults"`
	MajorFaults         int64     `json:"major_faults"`
	VoluntarySwitches   int64     `json:"voluntary_switches"`
	InvoluntarySwitches int64     `json:"involuntary_switches"`
	RSSStartBytes       int64     `json:"rss_start_bytes"`
	RSSEndBytes         int64     `json:"rss_end_bytes"`
	RSSPeakBytes        int64     `json:"rss_peak_bytes"`
	UserNs              int64     `json:"user_ns"`
	SystemNs            int64     `json:"system_ns"`
	ReadBytes           int64     `json:"read_bytes"`
	WriteBytes          int64     `json:"write_bytes"`
	CPUs                int       `json:"cpus"`
	NUMANodes           int       `json:"numa_nodes"`
	NUMA                []numaDoc `json:"numa"`
}

type numaDoc struct {
	Node     int     `json:"node"`
	Bytes    int64   `json:"bytes"`
	CPUShare float64 `json:"cpu_share"`
}

type whatIfDoc struct {
	Change        string  `json:"change"`
	PredictedNs   int64   `json:"predicted_wall_ns"`
	LowNs         int64   `json:"low_ns"`
	HighNs        int64   `json:"high_ns"`
	NowNs         int64   `json:"now_ns"`
	SavesNs       int64   `json:"saves_ns"`
	Bound         bool    `json:"bound"`
	IdentityError float64 `json:"identity_error"`
}

type savingDoc struct {
	LowNs  int64 `json:"low_ns"`
	HighNs int64 `json:"high_ns"`
}

type findingDoc struct {
	ID         string    `json:"id"`
	Title      string    `json:"title"`
	Severity   string    `json:"severity"`
	Effort     string    `json:"effort"`
	Line       *lineDoc  `json:"line"`
	Evidence   string    `json:"evidence"`
	Saving     savingDoc `json:"saving"`
	Confidence float64   `json:"confidence"`
	Advice     string    `json:"advice"`
	Before     string    `json:"before"`
	After      string    `json:"after"`
	Spans      []spanDoc `json:"spans"`
}

// spanDoc has no label: the rows that it names have it.
type spanDoc struct {
	Kind    string `json:"kind"`
	StartNs int64  `json:"start_ns"`
	EndNs   int64  `json:"end_ns"`
	Device  int32  `json:"device"`
	Row     int32  `json:"row"`
	Thread  int64  `json:"thread"`
	Line    int32  `json:"line"`
}

type lossDoc struct {
	Source string `json:"source"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
	Enable string `json:"enable"`
}

type collectorDoc struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Detail    string `json:"detail"`
	Enable    string `json:"enable"`
}

type overheadDoc struct {
	CollectorCPUNs    int64   `json:"collector_cpu_ns"`
	InProcessNs       int64   `json:"in_process_ns"`
	EstimatedSlowdown float64 `json:"estimated_slowdown"`
}
