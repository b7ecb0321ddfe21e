package session

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/runhistory"
	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
	"github.com/inferscope/inferscope/sidecar/wire"
)

var (
	_ server.Answered = (*Service)(nil)
	_ server.Flusher  = (*Service)(nil)
)

// Answered begins to write the trace of the cell whose report has been sent.
func (s *Service) Answered(string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginSaving()
}

// beginSaving begins what Stop left to be done after the report. s.mu must be held.
func (s *Service) beginSaving() {
	if s.save != nil {
		s.save()
		s.save = nil
	}
}

// Flush waits until the traces of the cells are written, or ctx ends.
func (s *Service) Flush(ctx context.Context) {
	s.mu.Lock()
	s.beginSaving()
	s.mu.Unlock()
	s.keeper.flush(ctx)
}

// historyOf is where traces are kept, as it is configured.
func historyOf(s config.Settings) *runhistory.History {
	return runhistory.New(runhistory.Options{Dir: s.HistoryPath, Runs: s.HistoryRuns, Bytes: s.HistoryBytes})
}

// bound bounds the memory of a cell: what it does not hold goes to its trace.
func (s *Service) bound(c *cell, resolved config.Resolved) {
	var on shelf = namedFolder(c.start.Trace)
	if h := historyOf(resolved.Settings); c.start.Trace == "" && h.On() {
		on = h
	} else if c.start.Trace == "" {
		c.keepMore = cmp.Or(resolved.Undo("history.runs"), resolved.Undo("history.bytes"))
		c.builder.Bound(s.config.MaxRows, nil)
		return
	}
	c.trace = s.keeper.trace(on, s.meta(c, analysis.Input{}, 0, ""), c.builder.View())
	c.builder.Bound(s.config.MaxRows, c.trace.take)
}

// kept says what becomes of a cell's timeline.
type kept struct {
	// analysed is what the report is made from: the timeline, or its beginning.
	analysed *timeline.Timeline
	// until is where analysed ends when it is not the whole; 0 otherwise.
	until int64
	// path is the trace's folder; empty when there is none, and then note may say why.
	path, note string
	rows       int64
}

// keep decides what is analysed of a built timeline, and makes the folder of its trace.
func (s *Service) keep(c *cell, built *timeline.Timeline) kept {
	k := kept{analysed: built, rows: built.Rows()}
	if c.trace != nil {
		c.trace.ended()
		switch k.path, k.note = c.trace.path(); {
		case k.path == "":
			c.trace.discard()
		case !s.keeper.admit(k.rows):
			k.path, k.note = "", notKept(errors.New("those of earlier cells are still being written"))
			c.trace.discard()
		}
	}
	beyond, until := c.builder.Beyond()
	if beyond == 0 {
		return k
	}
	loss := timeline.Loss{Source: "timeline", Count: beyond, Reason: "the cell had more than " + report.Count(s.config.MaxRows) +
		" events: the report is made from its first " + phrase.Duration(max(until-built.Window.Start, 0)) + " of " + phrase.Duration(built.Window.Ns())}
	if k.path != "" {
		loss.Reason += ", its trace holds the rest"
	} else {
		loss.Reason += ", the rest is lost"
		loss.Enable = c.keepMore
	}
	k.until = max(until, 1)
	k.analysed = built.Until(until)
	k.analysed.Losses = append(slices.Clone(k.analysed.Losses), loss)
	return k
}

// meta is what a trace says beside its timeline.
func (s *Service) meta(c *cell, in analysis.Input, until int64, summary string) tracestore.Meta {
	m := tracestore.Meta{
		ToolVersion: s.config.Version, Created: time.Now(), WallOffsetNs: wallOffset(c.peer.PID),
		Source: in.Source, Cell: in.Cell, Collectors: in.Collectors, Overhead: in.Overhead, Functions: in.Functions,
		AnalysedUntilNs: until,
		Versions:        map[string]string{"inferscope": s.config.Version, "python": c.peer.Python, "linux": kernel(), "arch": runtime.GOARCH},
	}
	if m.Cell.Lines == nil { // the cell has not ended
		m.Cell = cellOf(c.start, wire.Stop{})
		m.Source.Kind = kindOf(c.start)
	}
	if json.Valid([]byte(summary)) {
		m.Summary = json.RawMessage(summary)
	}
	return m
}

// wallOffset is what to add to the process's CLOCK_MONOTONIC to get the wall clock, in ns.
func wallOffset(pid int) int64 {
	offset := -clock.Realtime().Offset
	if n, err := clock.Of(pid); err == nil {
		offset -= n.FromSelf
	}
	return offset
}

// kernel is the release of the kernel that runs; empty when it does not say.
func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
