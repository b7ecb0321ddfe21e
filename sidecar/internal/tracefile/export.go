package tracefile

import (
	"io"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile/chrome"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/perfetto"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/pprof"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// Exporter writes timelines in the format of another tool.
type Exporter struct {
	// Name is what a user asks for.
	Name string
	// Extension ends the names of its files, with its dot.
	Extension string
	// About says in half a sentence what reads the file.
	About string
	// Write writes one file to w in one pass, and does not close it. An error is that of w.
	Write func(w io.Writer, in track.Input) error
}

// Exporters is the registry: a new exporter is one line here.
func Exporters() []Exporter {
	return []Exporter{
		{"perfetto", ".pftrace", "for ui.perfetto.dev and trace_processor", perfetto.Write},
		{"chrome", ".trace.json", "for chrome://tracing and tools that read PyTorch's traces", chrome.Write},
		{"pprof", ".pb.gz", "for `go tool pprof`: time by line and function, or by operator", pprof.Write},
	}
}
