package tracestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

const (
	// Format is the version of the format that is written. A reader refuses a newer one.
	Format = 1
	// ManifestName is the file that makes a folder a trace.
	ManifestName = "manifest.json"

	// maxManifest bounds the bytes of a manifest: a summary may have some megabytes.
	maxManifest = 64 << 20
	// longestTime bounds every time, so that no sum or difference of two overflows.
	longestTime = int64(1) << 61
	// maxParts bounds the parts of one table.
	maxParts = 99999
)

// manifest is the file manifest.json. Its comments are the documentation of the format.
type manifest struct {
	// Version of the format.
	Format int `json:"format"`
	// False until the trace is finished: then the parts are those in the folder.
	Complete bool `json:"complete"`
	// Version of InferScope that wrote the trace.
	ToolVersion string `json:"tool_version"`
	// Wall-clock time of the cell's end, RFC 3339.
	Created time.Time `json:"created"`
	// Add it to a time of the tables to get ns since 1970 on the wall clock.
	WallOffset int64 `json:"wall_offset_ns"`
	// The cell, ns of CLOCK_MONOTONIC.
	Window interval `json:"window"`
	// The window, prolonged to the end of the last device operation that the cell launched.
	Extent interval `json:"extent"`
	// True when the window is all that an imported trace holds, and no cell.
	NoCell bool `json:"no_cell,omitempty"`
	// Present when the summary was made from the events before this time only, ns.
	AnalysedUntil int64 `json:"analysed_until_ns,omitempty"`
	// What was profiled: "cell", or the kind of an imported trace.
	SourceKind string `json:"source_kind"`
	// The cell: its title, number, outcome and source.
	Cell cell `json:"cell"`
	// What it ran on: "inferscope", "python", "linux", "arch".
	Versions map[string]string `json:"versions"`
	// How the scheduler was seen: "ebpf", "perf_events", "procfs" or "in_process".
	Rung timeline.Rung `json:"rung"`
	// What the kernel accounts for the process over the window; bytes and ns.
	Process process `json:"process"`
	// What the GPUs' management library said, one entry a device; -1 for what it did not say.
	Sensors []sensors `json:"sensors"`
	// The stretches in which device operations and calls were captured; empty when all of the cell was.
	// launches counts the launching calls in one, missed the kernels launched since the one before; -1 for not known.
	Windows []captured `json:"windows"`
	// How far the times of device operations and calls may be off those of the threads, ns; 0 without any.
	DeviceClock int64 `json:"device_clock_ns"`
	// How long the devices were busy with work from before the window, which was waited for before it began, ns.
	Earlier int64 `json:"earlier_work_ns"`
	// The counters, by the number in the table counters.
	Counters []counter `json:"counters"`
	// What was not seen.
	Losses []loss `json:"losses"`
	// The state of every collector in this cell.
	Collectors []collector `json:"collectors"`
	// InferScope's own cost.
	Overhead overhead `json:"overhead"`
	// Exact totals of functions (--functions).
	Functions []function `json:"functions"`
	// The finished Parquet files.
	Parts []partInfo `json:"parts"`
	// The report's numbers, of schema inferscope.summary/1; null without a report.
	Summary json.RawMessage `json:"summary"`
}

type interval struct {
	Start int64 `json:"start_ns"`
	End   int64 `json:"end_ns"`
}

type captured struct {
	Start    int64 `json:"start_ns"`
	End      int64 `json:"end_ns"`
	Launches int64 `json:"launches"`
	Missed   int64 `json:"missed"`
}

// partWindows is what the manifest's list of them is called in a loss.
const partWindows = "windows"

type cell struct {
	Lines          []string `json:"lines"`
	Outcome        string   `json:"outcome"`
	ErrorName      string   `json:"error_name"`
	ExecutionCount int      `json:"execution_count"`
	Name           string   `json:"name"`
}

type counter struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
}

type loss struct {
	Source string `json:"source"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
	Enable string `json:"enable"`
}

type collector struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Detail    string `json:"detail"`
	Enable    string `json:"enable"`
}

type overhead struct {
	CollectorCPUNs    int64   `json:"collector_cpu_ns"`
	InProcessNs       int64   `json:"in_process_ns"`
	EstimatedSlowdown float64 `json:"estimated_slowdown"`
}

type function struct {
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

// describe is the manifest of a timeline, parts aside.
func describe(tl *timeline.Timeline, m Meta) manifest {
	out := opening(m)
	out.Window, out.Extent = interval(tl.Window), interval(tl.Extent)
	out.Rung, out.Process, out.NoCell = tl.Rung, processOf(tl.Process), tl.NoCell
	out.DeviceClock, out.Earlier = tl.DeviceClockNs, tl.EarlierNs
	for _, w := range tl.Windows {
		out.Windows = append(out.Windows, captured(w))
	}
	for i := range tl.Sensors {
		out.Sensors = append(out.Sensors, sensorsOf(&tl.Sensors[i]))
	}
	for i := range tl.Counters {
		out.Counters = append(out.Counters, counter{tl.Counters[i].Name, tl.Counters[i].Unit})
	}
	for _, l := range tl.Losses {
		out.Losses = append(out.Losses, loss(l))
	}
	return out
}

// opening is the manifest of a trace that has been begun: what is known without a timeline.
func opening(m Meta) manifest {
	out := manifest{
		Format: Format, ToolVersion: m.ToolVersion, Created: m.Created.UTC(), WallOffset: m.WallOffsetNs,
		AnalysedUntil: m.AnalysedUntilNs, SourceKind: m.Source.Kind, Cell: cell(m.Cell), Versions: m.Versions,
		Overhead: overhead(m.Overhead), Summary: m.Summary,
		Sensors: []sensors{}, Windows: []captured{}, Counters: []counter{}, Losses: []loss{}, Collectors: []collector{}, Functions: []function{}, Parts: []partInfo{},
	}
	out.Overhead.EstimatedSlowdown = finite(out.Overhead.EstimatedSlowdown)
	if out.Cell.Lines == nil {
		out.Cell.Lines = []string{}
	}
	if out.Versions == nil {
		out.Versions = map[string]string{}
	}
	for _, c := range m.Collectors {
		out.Collectors = append(out.Collectors, collector(c))
	}
	for _, f := range m.Functions {
		f.Share = finite(f.Share)
		out.Functions = append(out.Functions, function(f))
	}
	return out
}

// meta is what the manifest says beside the timeline.
func (m *manifest) meta() Meta {
	out := Meta{
		ToolVersion: m.ToolVersion, Created: m.Created, WallOffsetNs: m.WallOffset, AnalysedUntilNs: m.AnalysedUntil,
		Source: result.Source{Kind: m.SourceKind, ToolVersion: m.ToolVersion}, Cell: result.Cell(m.Cell), Versions: m.Versions,
		Overhead: result.Overhead(m.Overhead), Summary: m.Summary, Complete: m.Complete,
	}
	if bytes.Equal(out.Summary, []byte("null")) {
		out.Summary = nil
	}
	for _, c := range m.Collectors {
		out.Collectors = append(out.Collectors, result.Collector(c))
	}
	for _, f := range m.Functions {
		out.Functions = append(out.Functions, result.FunctionStat(f))
	}
	return out
}

// finite is v, or -1 ("not known") for what JSON cannot say.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return -1
	}
	return v
}

// write replaces the manifest in a folder, whole or not at all.
func (m *manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	path := filepath.Join(dir, ManifestName)
	if err := os.WriteFile(path+partial, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if err := os.Rename(path+partial, path); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return nil
}

// readManifest reads and checks the manifest of a folder. It returns a TraceError.
func readManifest(dir string) (*manifest, error) {
	path := filepath.Join(dir, ManifestName)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, &TraceError{Path: dir, Where: ManifestName, Err: errors.New("there is none, so this is no trace")}
		}
		return nil, &TraceError{Path: dir, Where: ManifestName, Err: err}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(text) > maxManifest {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, &TraceError{Path: dir, Where: ManifestName, Err: err}
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, &TraceError{Path: dir, Where: ManifestName, Err: err}
	}
	return m, nil
}

// partName is the form of a part's file name: no other file is ever opened.
var partName = regexp.MustCompile(`^([a-z_]+)-[0-9]{5}\.parquet$`)

// parseManifest reads a manifest, which is hostile input.
func parseManifest(text []byte) (*manifest, error) {
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		var at *json.SyntaxError
		if errors.As(err, &at) {
			return nil, fmt.Errorf("byte %d: %w", at.Offset, err)
		}
		return nil, err
	}
	switch {
	case m.Format > Format:
		return nil, fmt.Errorf("format %d is newer than this version of InferScope reads (%d)", m.Format, Format)
	case m.Format < 1:
		return nil, fmt.Errorf("format %d does not exist", m.Format)
	}
	for _, i := range []interval{m.Window, m.Extent} {
		if i.Start < 0 || i.End < i.Start || i.End > longestTime {
			return nil, fmt.Errorf("the window [%d, %d) is impossible", i.Start, i.End)
		}
	}
	if m.Complete && (m.Extent.Start != m.Window.Start || m.Extent.End < m.Window.End) {
		return nil, errors.New("the extent does not contain the window")
	}
	if m.WallOffset > longestTime || m.WallOffset < -longestTime || m.AnalysedUntil < 0 || m.AnalysedUntil > longestTime {
		return nil, errors.New("a time is out of range")
	}
	for _, p := range m.Parts {
		name := partName.FindStringSubmatch(p.File)
		if name == nil || name[1] != p.Table {
			return nil, fmt.Errorf("the part %.80q of the table %.20q is no file of a trace", p.File, p.Table)
		}
		if p.Rows < 0 {
			return nil, fmt.Errorf("the part %q has %d rows", p.File, p.Rows)
		}
	}
	return &m, nil
}
