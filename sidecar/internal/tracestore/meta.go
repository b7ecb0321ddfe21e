package tracestore

import (
	"encoding/json"
	"time"

	"github.com/inferscope/inferscope/analysis/result"
)

// Meta is what a trace holds beside the timeline: what the report says of the cell,
// and what the analysis needs to be made again.
type Meta struct {
	// ToolVersion is the version of InferScope that wrote the trace.
	ToolVersion string
	// Created is the wall-clock time at which the cell ended; its precision is ns.
	Created time.Time
	// WallOffsetNs is what to add to a time of the trace (CLOCK_MONOTONIC) to get ns since
	// 1970 on the wall clock, as measured when the cell ended.
	WallOffsetNs int64
	// Source says what was profiled. Its Path is not written: the trace's own says it.
	Source result.Source
	Cell   result.Cell
	// Versions names what the cell ran on: "inferscope", "python", "linux", "arch".
	Versions   map[string]string
	Collectors []result.Collector
	Overhead   result.Overhead
	// Functions are exact totals of functions (--functions).
	Functions []result.FunctionStat
	// Summary is the report's JSON, of schema inferscope.summary/1; nil when there was no report.
	Summary json.RawMessage
	// AnalysedUntilNs is the time up to which the summary was made, when the cell had more
	// events than an analysis holds; 0 when it was made from all.
	AnalysedUntilNs int64
	// Complete is false in a trace whose writer ended before it was finished. Open sets
	// it; a writer does not read it.
	Complete bool
}
