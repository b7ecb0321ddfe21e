// Package tracefile reads the traces that other tools wrote, and writes theirs. Each
// importer is a package of its own and one line in Importers, each exporter one in
// Exporters; which importer a file needs is seen from what it holds, not from its name.
package tracefile

import (
	"context"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/kineto"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/nsys"
)

// Importers is the registry, in the order in which they are asked: a new importer is
// one line here. Which one a file needs is seen from what it holds, not from its name.
func Importers() []importer.Importer {
	return []importer.Importer{
		kineto.Importer{},
		nsys.Importer{},
	}
}

// Open reads the trace at path. What cannot be read is an *importer.Error, a device or
// a step that is not there an *importer.NotThere. ctx ends it early with its error.
func Open(ctx context.Context, path string, opts importer.Options) (*importer.Imported, error) {
	source, err := importer.OpenSource(path)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	var known []string
	for _, i := range Importers() {
		if i.Detect(source.Head()) {
			return i.Read(ctx, source, opts)
		}
		known = append(known, i.About())
	}
	return nil, &importer.Error{Where: source.Place(0), Reason: "it is no trace that is known here",
		Hint: "it may be " + strings.Join(known, ", or ") + ", compressed by gzip or not"}
}
