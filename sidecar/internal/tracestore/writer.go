// Package tracestore keeps a profiled cell on disk: a folder with a manifest and
// Parquet files in parts, one set a table, which DuckDB, pandas, Polars and Spark
// read as they are. docs/trace-format.md describes it; it is generated from this
// package's rows.
//
// Write and Open are the whole of it for a timeline that is in memory. A Writer
// takes a cell that has more events than memory should hold, while it runs.
package tracestore

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// Suffix ends the name of a trace's folder.
const Suffix = ".inferscope"

// Options say how a trace is written. DefaultOptions has the defaults.
type Options struct {
	// PartRows closes a part that holds so many rows.
	PartRows int64
}

// DefaultOptions are the options that the sidecar uses.
func DefaultOptions() Options { return Options{PartRows: 1 << 20} }

// Writer writes one trace. A part is complete in itself and gets its name when it is
// finished: whoever ends in the middle loses the open part of each table, and Open
// reads the rest. It holds an exclusive lock on the folder until Finish or Abandon.
// One goroutine at a time may use it.
type Writer struct {
	dir, tool string
	options   Options
	lock      *os.File
	lines     []string // of the cell
	spilling  bool
	done      []partInfo

	names     *parts[nameRow]
	stacks    *parts[stackRow]
	threads   *parts[threadRow]
	devices   *parts[deviceRow]
	call      *parts[callRow]
	op        *parts[deviceOpRow]
	line      *parts[lineRow]
	scheduler *parts[schedulerRow]
	samples   *parts[sampleRow]
	scopes    *parts[scopeRow]
	ranges    *parts[rangeRow]
	marks     *parts[markRow]
	gc        *parts[gcRow]
	counters  *parts[counterRow]
	overheads *parts[overheadRow]
}

// Create begins a trace in a new folder, which it makes with mode 0700, and locks it.
// meta is what is known so far. A folder that exists already is an error, os.ErrExist.
func Create(dir string, meta Meta, options Options) (*Writer, error) {
	if options.PartRows <= 0 {
		return nil, errors.New("tracestore: a part must have rows")
	}
	lock, err := makeFolder(dir, opening(meta))
	if err != nil {
		return nil, fmt.Errorf("tracestore: %w", err)
	}
	w := &Writer{dir: dir, tool: meta.ToolVersion, options: options, lines: meta.Cell.Lines, lock: lock}
	w.names, w.stacks = newParts[nameRow](w, tableNames), newParts[stackRow](w, tableStacks)
	w.threads, w.devices = newParts[threadRow](w, tableThreads), newParts[deviceRow](w, tableDevices)
	w.call, w.op = newParts[callRow](w, tableCalls), newParts[deviceOpRow](w, tableDeviceOps)
	w.line, w.scheduler = newParts[lineRow](w, tableLines), newParts[schedulerRow](w, tableScheduler)
	w.samples, w.scopes = newParts[sampleRow](w, tableSamples), newParts[scopeRow](w, tableScopes)
	w.ranges = newParts[rangeRow](w, tableRanges)
	w.marks, w.gc = newParts[markRow](w, tableMarks), newParts[gcRow](w, tableGC)
	w.counters, w.overheads = newParts[counterRow](w, tableCounters), newParts[overheadRow](w, tableOverheads)
	return w, nil
}

// Write writes a timeline as a trace into a new folder.
func Write(dir string, tl *timeline.Timeline, meta Meta) error {
	w, err := Create(dir, meta, DefaultOptions())
	if err != nil {
		return err
	}
	if err := w.Finish(tl, meta); err != nil {
		w.Abandon()
		return err
	}
	return nil
}

// Dir is the trace's folder.
func (w *Writer) Dir() string { return w.dir }

// Bytes is how many bytes the finished parts have.
func (w *Writer) Bytes() int64 {
	var n int64
	for _, p := range w.done {
		n += p.Bytes
	}
	return n
}

// Spill writes rows that a builder did not keep. An error leaves the writer to be abandoned.
func (w *Writer) Spill(b timeline.Batch, names timeline.View) error {
	w.spilling = true
	closeEnds(&b)
	var err error
	switch {
	case b.Thread != 0:
		err = w.thread(names, b.Thread, &b.Rows)
	case b.Calls.Len() > 0:
		err = w.calls(names, &b.Calls, callByCorrelation)
	default:
		d := timeline.Device{Index: b.Device, Ops: b.Ops}
		err = w.ops(names, &d, func(row int) (uint32, int32) { return b.Correlation[row], callByCorrelation })
	}
	return wrapped(err)
}

// Finish writes the timeline, which holds all that was not spilled, and the manifest;
// then the trace is complete and unlocked. After an error the writer is to be abandoned.
func (w *Writer) Finish(tl *timeline.Timeline, meta Meta) error {
	w.lines = meta.Cell.Lines
	if w.spilling { // a part holds rows of one of the two kinds only
		if err := w.each(part.settle); err != nil {
			return wrapped(err)
		}
		w.spilling = false
	}
	if err := w.tables(tl); err != nil {
		return wrapped(err)
	}
	if err := w.each(part.finish); err != nil {
		return wrapped(err)
	}
	m := describe(tl, meta)
	m.Complete, m.Parts = true, w.done
	if err := m.write(w.dir); err != nil {
		return wrapped(err)
	}
	return wrapped(w.lock.Close())
}

// Abandon ends a writer without finishing its trace; what was finished stays in the folder.
func (w *Writer) Abandon() {
	_ = w.each(func(p part) error {
		p.abandon()
		return nil
	})
	_ = w.lock.Close()
}

// part is a table under construction, whatever its rows.
type part interface {
	settle() error
	finish() error
	abandon()
}

// each calls do for every table until one fails.
func (w *Writer) each(do func(part) error) error {
	for _, p := range []part{w.names, w.stacks, w.threads, w.devices, w.call, w.op, w.line, w.scheduler, w.samples,
		w.scopes, w.ranges, w.marks, w.gc, w.counters, w.overheads} {
		if err := do(p); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) finished(p partInfo) { w.done = append(w.done, p) }

func wrapped(err error) error {
	if err != nil {
		return fmt.Errorf("tracestore: %w", err)
	}
	return nil
}

// New ends the name of a folder that is being made: it has its own name once it is
// locked and has a manifest, so that nobody takes it for one that its writer left.
const New = ".new"

func makeFolder(dir string, m manifest) (lock *os.File, err error) {
	if _, err := os.Lstat(dir); err == nil {
		return nil, &os.PathError{Op: "mkdir", Path: dir, Err: os.ErrExist}
	}
	if err := os.Mkdir(dir+New, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir + New)
		}
	}()
	if lock, err = lockFolder(dir+New, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, err
	}
	if err = m.write(dir + New); err == nil {
		err = os.Rename(dir+New, dir)
	}
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

// lockFolder opens a folder and locks it as flock does; closing the file unlocks it.
func lockFolder(dir string, how int) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}
