// Package nsys imports SQLite exports of NVIDIA Nsight Systems (`nsys export --type
// sqlite`). Its tables and their columns differ between versions: what a file has is
// looked up by name, and whatever is not there is done without.
package nsys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/sqlite"
)

// Importer reads such exports.
type Importer struct{}

// Kind is "nsys".
func (Importer) Kind() string { return "nsys" }

// About says how such an export is made.
func (Importer) About() string {
	return "an SQLite export of Nsight Systems (`nsys export --type sqlite REPORT.nsys-rep`)"
}

// Detect accepts SQLite databases.
func (Importer) Detect(head []byte) bool { return bytes.HasPrefix(head, []byte(sqlite.Magic)) }

// The tables with the operations of devices; one of them must be there.
const (
	kernelTable = "CUPTI_ACTIVITY_KIND_KERNEL"
	memcpyTable = "CUPTI_ACTIVITY_KIND_MEMCPY"
	memsetTable = "CUPTI_ACTIVITY_KIND_MEMSET"
	graphTable  = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
)

// callTables hold the calls of the runtime and of the driver.
var callTables = []string{"CUPTI_ACTIVITY_KIND_RUNTIME", "CUPTI_ACTIVITY_KIND_DRIVER"}

// Read implements importer.Importer.
func (i Importer) Read(ctx context.Context, source *importer.Source, opts importer.Options) (*importer.Imported, error) {
	stated, err := sqlite.Size(source.Head())
	if err != nil {
		return nil, placed(err)
	}
	random, size, release, err := source.Random(ctx, stated)
	if err != nil {
		return nil, err
	}
	defer release()
	file, err := sqlite.Open(random, size)
	if err != nil {
		return nil, placed(err)
	}
	r := &reader{ctx: ctx, file: file, a: importer.NewAssembly(i.Kind(), opts)}
	if !r.has(kernelTable, memcpyTable, memsetTable, graphTable, callTables[0], callTables[1], "NVTX_EVENTS") {
		return nil, &importer.Error{Reason: "it is a database without a table of Nsight Systems", Hint: "make it by `nsys export --type sqlite REPORT.nsys-rep`"}
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(source.Path + suffix); err == nil && info.Size() > 0 && !source.Compressed() {
			r.a.Note("Beside the database lies %s: what only that file holds was not read.", suffix)
		}
	}
	for _, step := range []func() error{r.strings, r.correlate, r.calls, r.kernels, r.graphs, r.memcpys, r.memsets, r.nvtx, r.overheads,
		r.threadNames, r.gpus, r.metrics} {
		if err := step(); err != nil {
			return nil, placed(err)
		}
	}
	return r.a.Finish()
}

// placed words where a database is broken.
func placed(err error) error {
	var broken *sqlite.Error
	if !errors.As(err, &broken) {
		return err
	}
	out := &importer.Error{Reason: broken.Error(), Hint: "export the report again; a copy of the file may be incomplete"}
	if broken.Table == "" && broken.Page == 0 {
		out.Where = "byte 0"
	}
	if broken.Table != "" {
		out.Where = fmt.Sprintf("row %d of %s", broken.Row, broken.Table)
	}
	return out
}

// has says whether any of the tables is there.
func (r *reader) has(names ...string) bool {
	for _, name := range names {
		if r.file.Table(name) != nil {
			return true
		}
	}
	return false
}
