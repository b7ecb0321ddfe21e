// Package session is one profiled cell from its Start to its Report: collectors
// on, events in, timeline built, analysed, rendered.
package session

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report/text"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
	"github.com/inferscope/inferscope/sidecar/internal/collect/python"
	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/rules"
	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// maxCellLines bounds the source text that is kept for the report; the rest is cut, and said.
const maxCellLines = 20000

// Config is what a Service is made of.
type Config struct {
	// Version is InferScope's version, shown in reports.
	Version string
	// PID is this sidecar's process id, reported in Status.
	PID int
	// Sources are the collectors; see Sources.
	Sources Sources
	// Place is where the configuration is looked for until a cell begins; a cell has its own.
	Place config.Place
	// MaxRows is how many events of a cell are kept in memory, about 50 bytes each; 0 is
	// DefaultMaxRows. See docs/decisions/0016-bounded-memory.md for what becomes of the rest.
	MaxRows int64
}

// DefaultMaxRows fits into 512 MiB with everything that is made of it.
const DefaultMaxRows = 10_000_000

// Service implements server.Handler: it profiles one cell at a time. It owns the
// collectors from New until Close.
type Service struct {
	config  Config
	started time.Time
	keeper  *keeper

	mu       sync.Mutex
	cell     *cell // nil when no cell is being profiled
	profiled int
	// settings are those of the last cell that began.
	settings config.Settings
	ran      ran    // the cells that ran before
	save     func() // begins to write the last cell's trace; nil when that has begun
}

// cell is the collection that is going on.
type cell struct {
	start    wire.Start
	settings config.Settings
	rules    rules.Set
	builder  *timeline.Builder
	python   *python.Session
	sessions []collect.Session
	statuses []wire.CollectorStatus // of the ladder: what is missing there is a loss
	gpu      []wire.CollectorStatus // of the GPU's: a machine without one loses nothing
	cpu      time.Duration          // of this process when the cell began
	peer     server.Peer
	trace    *trace          // nil when none is kept
	keepMore string          // how to have a trace kept where none is
	look     *procfs.Watcher // nil until somebody asks what the cell waits for
}

var _ server.Handler = (*Service)(nil)

// New makes a service. Nothing is loaded before Warm or the first Start.
func New(c Config) *Service {
	c.MaxRows = cmp.Or(c.MaxRows, DefaultMaxRows)
	return &Service{config: c, started: time.Now(), settings: config.Resolve(c.Place, nil).Settings, keeper: newKeeper()}
}

// Warm loads what makes the first Start fast. It takes up to a few hundred
// milliseconds and is meant to run beside the server. What fails is told by
// Status and by the reports.
func (s *Service) Warm() {
	for _, c := range s.config.Sources.all() {
		_ = c.Warm() // recorded in the collector's own Status
	}
}

// Close aborts what is going on and releases the collectors.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abort()
	s.beginSaving()
	var first error
	for _, c := range s.config.Sources.all() {
		if err := c.Close(); err != nil && first == nil {
			first = fmt.Errorf("closing %s: %w", c.Name(), err)
		}
	}
	return first
}

// abort ends the active cell without a result. s.mu must be held.
func (s *Service) abort() {
	if s.cell == nil {
		return
	}
	for _, one := range s.cell.sessions {
		one.Abort()
	}
	if t := s.cell.trace; t != nil {
		t.ended()
		t.discard()
	}
	s.cell = nil
}

// Start begins collection around a cell. A cell that is still open is given up:
// its client has lost track of it.
func (s *Service) Start(ctx context.Context, peer server.Peer, m wire.Start) (wire.Started, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abort()
	s.beginSaving()

	if m.Trace != "" && !filepath.IsAbs(m.Trace) {
		return wire.Started{}, &wire.Error{Code: wire.CodeMalformed, Message: "The trace's folder must be an absolute path."}
	}
	resolved, asked := rules.Resolve(config.Place{Dir: m.Directory, Environ: m.Environ}, m.Typed)
	s.settings = resolved.Settings
	c := &cell{start: m, settings: resolved.Settings, rules: asked, builder: timeline.NewBuilder(), cpu: ownCPU(), peer: peer}
	s.bound(c, resolved)
	target := collect.Target{PID: peer.PID, UID: peer.UID, Start: m, Options: options(resolved.Settings)}
	main := c.builder.Thread(int32(peer.PID), int32(m.MainTID))
	main.SetMain()
	main.SetPython()
	c.python = python.NewSession(int32(peer.PID), c.builder)

	for _, always := range s.config.Sources.Always {
		one, err := always.Begin(ctx, target, c.builder)
		if err != nil {
			c.statuses = append(c.statuses, wire.CollectorStatus{Name: always.Name(), Detail: err.Error()})
			continue
		}
		c.sessions = append(c.sessions, one)
		c.statuses = append(c.statuses, always.Status())
	}
	gpuRing := s.beginGPU(ctx, target, c)
	rung, one, passed := s.climb(ctx, target, resolved.Undo("ebpf"), c.builder)
	c.statuses = append(c.statuses, passed...)
	needSamples := true
	if one != nil {
		c.sessions = append(c.sessions, one)
		needSamples = !(rung == timeline.RungEBPF && m.Calibration.Valid)
		if w, ok := one.(collect.Witness); ok {
			c.python.ClassifyBy(w)
		}
	}
	c.builder.SetRung(rung)
	s.cell = c
	return wire.Started{CellID: m.CellID, Collectors: c.statuses, NeedSamples: needSamples, GPURing: gpuRing,
		Options: target.Options, Note: resolved.Note()}, nil
}

// beginGPU begins the collectors of the GPU; the answer is the path of the ring
// for the shim. A machine without a GPU has nothing to lose here: then only the
// status tells.
func (s *Service) beginGPU(ctx context.Context, target collect.Target, c *cell) string {
	if !target.Options.GPU {
		return ""
	}
	ring := ""
	capture, why := s.config.Sources.Capture, target.Start.NoCUPTI
	if why != "" {
		capture = s.config.Sources.Instead
	}
	if capture != nil {
		one, status := beginOne(ctx, capture, target, c)
		if r, ok := one.(interface{ RingPath() string }); ok {
			ring = r.RingPath()
		}
		if one == nil && why != "" {
			c.builder.AddLoss(timeline.Loss{Source: capture.Name(), Reason: "the GPU's work was not seen: " + why})
			c.builder.AddLoss(timeline.Loss{Source: capture.Name(),
				Reason: "the CUDA calls were not seen in its place: " + status.Detail, Enable: status.Enable})
		}
	}
	for _, source := range s.config.Sources.GPU {
		beginOne(ctx, source, target, c)
	}
	return ring
}

// beginOne begins one collector of the GPU and notes its status; nil when it cannot be used.
func beginOne(ctx context.Context, source collect.Collector, target collect.Target, c *cell) (collect.Session, wire.CollectorStatus) {
	status := source.Status()
	var one collect.Session
	if status.Available {
		var err error
		if one, err = source.Begin(ctx, target, c.builder); err != nil {
			one, status.Available, status.Detail = nil, false, err.Error()
		} else {
			c.sessions = append(c.sessions, one)
		}
	}
	c.gpu = append(c.gpu, status)
	return one, status
}

// climb begins the best source of scheduler events that works here. Those passed
// over are returned with the reason, followed by the chosen one. undo says how to
// get eBPF where it is switched off.
func (s *Service) climb(ctx context.Context, target collect.Target, undo string, b *timeline.Builder) (timeline.Rung, collect.Session, []wire.CollectorStatus) {
	statuses := []wire.CollectorStatus{}
	for _, rung := range s.config.Sources.Ladder {
		if rung.Rung == timeline.RungEBPF && !target.Options.EBPF {
			statuses = append(statuses, wire.CollectorStatus{Name: rung.Collector.Name(),
				Detail: "switched off for this cell", Enable: undo})
			continue
		}
		status := rung.Collector.Status()
		if !status.Available {
			statuses = append(statuses, status)
			continue
		}
		one, err := rung.Collector.Begin(ctx, target, b)
		if err != nil {
			status.Available, status.Detail = false, err.Error()
			statuses = append(statuses, status)
			continue
		}
		return rung.Rung, one, append(statuses, status)
	}
	return timeline.RungInProcess, nil, statuses
}

// Events adds what happened inside the Python process.
func (s *Service) Events(m wire.Events) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cell != nil && s.cell.start.CellID == m.CellID {
		s.cell.python.Add(m)
	}
}

// Stop ends the collection and answers with the rendered analysis.
func (s *Service) Stop(_ context.Context, m wire.Stop) (wire.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cell
	if c == nil || c.start.CellID != m.CellID {
		return wire.Report{}, &wire.Error{Code: "unknown_cell",
			Message: "the sidecar knows nothing of this cell",
			Hint:    "the sidecar was restarted while the cell ran; profile the cell again"}
	}
	s.cell = nil
	s.profiled++
	if c.trace != nil {
		c.trace.make() // beside what follows
	}
	collecting := ownCPU() - c.cpu
	window := timeline.Interval{Start: m.Begin, End: max(m.End, m.Begin)}
	finish(c.sessions, window, c.builder)
	c.python.Finish()
	for _, l := range m.Losses {
		c.builder.AddLoss(timeline.Loss{Source: l.Source, Reason: l.Reason, Count: l.Count, Enable: l.Enable})
	}
	for _, status := range c.statuses {
		if !status.Available {
			c.builder.AddLoss(timeline.Loss{Source: status.Name, Reason: status.Detail, Enable: status.Enable})
		}
	}
	built := c.builder.Build(window)
	input := analysis.Input{
		Source:     result.Source{Kind: kindOf(c.start), ToolVersion: s.config.Version},
		Cell:       cellOf(c.start, m),
		Collectors: collectorsOf(slices.Concat(c.statuses, c.gpu)),
		Overhead:   overheadOf(window, collecting, m.InProcessNs),
		Functions:  c.python.Functions(),
	}
	kept := s.keep(c, built)
	res := analysis.Analyze(kept.analysed, input)
	c.rules.Apply(res)
	if kept.note != "" {
		res.Notes = append(res.Notes, kept.note)
	}
	if res.Source.Kind == wire.KindCell {
		res.Since = s.ran.since(c.start.NotebookCell, res, c.settings.Changes)
	}
	report := render(m.CellID, res, text.Terminal{Columns: c.start.TextColumns, Colour: c.start.TextColour})
	report.Trace = kept.path
	if kept.path != "" {
		s.save = func() { c.trace.save(built, s.meta(c, input, kept.until, report.Summary), kept.rows) }
	}
	return report, nil
}

// finish ends the sessions side by side: each may wait for its own last buffers.
func finish(sessions []collect.Session, window timeline.Interval, b *timeline.Builder) {
	var wg sync.WaitGroup
	for _, one := range sessions {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := one.Finish(window); err != nil {
				b.AddLoss(timeline.Loss{Source: "sidecar", Reason: "a collector ended with an error: " + err.Error(), Count: 1})
			}
		}()
	}
	wg.Wait()
}

// Cancel ends the collection without a report.
func (s *Service) Cancel(m wire.Cancel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cell != nil && s.cell.start.CellID == m.CellID {
		s.abort()
	}
	return nil
}

// Profiling implements server.Profiler.
func (s *Service) Profiling() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cell != nil
}

// Status tells what the sidecar is doing and which sources it has.
func (s *Service) Status() wire.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := wire.Status{SidecarVersion: s.config.Version, PID: s.config.PID,
		UptimeNs: int64(time.Since(s.started)), CellsProfiled: s.profiled,
		GPUBusy: -1, SMActivity: -1, GPUPowerW: -1, KernelRate: -1, Collectors: []wire.CollectorStatus{}}
	if s.cell != nil {
		status.ActiveCell = s.cell.start.CellID
		s.cell.progress(&status)
	}
	for _, c := range s.config.Sources.all() {
		status.Collectors = append(status.Collectors, c.Status())
	}
	status.History = s.keeper.status(historyOf(s.settings))
	return status
}

// kindOf is what the client says it profiles; an unknown word is a cell.
func kindOf(start wire.Start) string {
	if start.Kind == wire.KindScript {
		return wire.KindScript
	}
	return wire.KindCell
}

func cellOf(start wire.Start, stop wire.Stop) result.Cell {
	lines := strings.Split(strings.ReplaceAll(start.Source, "\r\n", "\n"), "\n")
	if len(lines) > maxCellLines {
		lines = append(lines[:maxCellLines:maxCellLines], "… the rest of the source is not shown")
	}
	return result.Cell{Lines: lines, Outcome: stop.Outcome, ErrorName: stop.ErrorName,
		ExecutionCount: start.ExecutionCount, Name: start.CellName}
}

func collectorsOf(statuses []wire.CollectorStatus) []result.Collector {
	out := make([]result.Collector, 0, len(statuses))
	for _, s := range statuses {
		out = append(out, result.Collector{Name: s.Name, Available: s.Available, Detail: s.Detail, Enable: s.Enable})
	}
	return out
}

// overheadOf estimates the slowdown from the time spent inside the profiled
// process. The sidecar's own CPU time is told beside it: whether it slows the
// cell depends on free CPUs.
func overheadOf(window timeline.Interval, collecting time.Duration, inProcess int64) result.Overhead {
	o := result.Overhead{CollectorCPUNs: int64(collecting), InProcessNs: inProcess, EstimatedSlowdown: 1}
	if rest := window.Ns() - inProcess; inProcess > 0 && rest > 0 {
		o.EstimatedSlowdown = float64(window.Ns()) / float64(rest)
	}
	return o
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
