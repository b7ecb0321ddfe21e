package tracestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore/parquetread"
)

// DefaultMaxRows is how many rows Open reads at most: somewhat more than a cell keeps
// in memory, at some 50 bytes each.
const DefaultMaxRows = 16 << 20

// source is what a Loss of reading a trace names as its source.
const source = "trace"

// Open reads a trace into a timeline that keeps the invariants of the model, whatever
// is in the folder. A part that is missing or damaged becomes a Loss that names the
// file and the row group, and the rest is read. The error is a *TraceError: the folder
// is no trace, is of a newer format, or is still being written.
func Open(dir string) (*timeline.Timeline, Meta, error) { return OpenBounded(dir, DefaultMaxRows) }

// OpenBounded is Open with a bound on the rows that are read. Of a trace with more
// rows, whose writer had to spill, what its report was made from is read: the
// timeline ends at Meta.AnalysedUntilNs, with a Loss that says so.
func OpenBounded(dir string, maxRows int64) (*timeline.Timeline, Meta, error) {
	lock, m, err := begin(dir)
	if err != nil {
		return nil, Meta{}, err
	}
	defer lock.Close()
	r := &reader{dir: dir, m: m, a: newAssembler(m), left: maxRows}
	if err := r.selectParts(); err != nil {
		return nil, Meta{}, &TraceError{Path: dir, Where: "the folder", Err: err}
	}
	for _, t := range tables {
		// What was spilled came after what was kept: rows of one moment stay in that order.
		for _, spilled := range []bool{false, true} {
			for _, p := range r.parts {
				if p.Table == t.name && p.Spilled == spilled {
					r.read(p)
				}
			}
		}
	}
	tl := r.a.finish(r.spilled)
	tl.Losses = append(tl.Losses, r.losses...)
	if r.cutAt > 0 {
		tl = tl.Until(r.cutAt)
	}
	if err := tl.Check(); err != nil {
		return nil, Meta{}, &TraceError{Path: dir, Where: "its tables", Err: err}
	}
	return tl, m.meta(), nil
}

// Describe is what a trace says beside its timeline, without reading its tables. The error is as
// for Open.
func Describe(dir string) (Meta, error) {
	lock, m, err := begin(dir)
	if err != nil {
		return Meta{}, err
	}
	defer lock.Close()
	return m.meta(), nil
}

// begin locks a trace for reading, as far as its file system has locks, and reads its manifest. The
// caller closes the lock, which may be nil.
func begin(dir string) (*os.File, *manifest, error) {
	lock, err := lockFolder(dir, unix.LOCK_SH|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, nil, &TraceError{Path: dir, Where: ManifestName, Err: ErrBusy}
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil, nil, &TraceError{Path: dir, Where: "the folder", Err: err}
	} // a file system without locks has no writer that could be seen
	m, err := readManifest(dir)
	if err != nil {
		_ = lock.Close() // of nil, that is an error of no consequence
		return nil, nil, err
	}
	return lock, m, nil
}

// reader reads the parts of one trace.
type reader struct {
	dir     string
	m       *manifest
	a       *assembler
	parts   []partInfo
	spilled bool  // some of parts are
	cutAt   int64 // where the timeline ends when spilled parts are left out; 0 is its end
	left    int64 // rows that may still be read
	losses  []timeline.Loss
}

func (r *reader) lost(count int64, format string, args ...any) {
	const most = 64 // a folder of broken parts says no more than that
	if len(r.losses) < most {
		r.losses = append(r.losses, timeline.Loss{Source: source, Count: count, Reason: fmt.Sprintf(format, args...)})
	}
}

// selectParts decides which files are read: those that the manifest lists, or in a
// trace that was not finished those that are there.
func (r *reader) selectParts() error {
	if !r.m.Complete {
		return r.findParts()
	}
	total, kept := int64(0), int64(0)
	for _, p := range r.m.Parts {
		total += p.Rows
		r.spilled = r.spilled || p.Spilled
		if !p.Spilled {
			kept += p.Rows
		}
	}
	r.parts = r.m.Parts
	if r.spilled && total > r.left && r.m.AnalysedUntil > 0 {
		r.parts = slices.DeleteFunc(slices.Clone(r.m.Parts), func(p partInfo) bool { return p.Spilled })
		r.spilled, r.cutAt = false, r.m.AnalysedUntil
		r.lost(total-kept, "the trace has more events than are read at once: the end of the cell is left out")
	}
	return nil
}

func (r *reader) findParts() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	r.lost(1, "the trace was not finished: what was in memory when its writer ended is lost")
	r.spilled = true
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), partial); ok && partName.MatchString(name) {
			r.lost(1, "%s was being written and is lost", name)
		}
		if name := partName.FindStringSubmatch(e.Name()); name != nil && len(r.parts) < maxParts {
			r.parts = append(r.parts, partInfo{Table: name[1], File: e.Name(), Rows: -1})
		}
	}
	return nil
}

// read adds the rows of one part; what is damaged is lost alone.
func (r *reader) read(p partInfo) {
	f, err := parquetread.Open(filepath.Join(r.dir, p.File))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = errors.New("it is missing")
		}
		r.lost(max(p.Rows, 1), "%s cannot be read: %v", p.File, err)
		return
	}
	defer f.Close()
	rows := int64(0)
	for g := range f.Groups() {
		n := int64(f.Rows(g))
		rows += n
		if n > r.left {
			r.lost(n, "%s, row group %d: the trace has too many rows", p.File, g)
			continue
		}
		if err := r.a.add(p.Table, &groupReader{file: f, group: g, rows: int(n)}); err != nil {
			r.lost(n, "%s, row group %d: %v", p.File, g, err)
			continue
		}
		r.left -= n
	}
	if p.Rows >= 0 && rows != p.Rows {
		r.lost(max(p.Rows-rows, 1), "%s has %d rows where the manifest says %d", p.File, rows, p.Rows)
	}
}
