package tracefile_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
)

func TestExporters(t *testing.T) {
	names, extensions := map[string]bool{}, map[string]bool{}
	for _, e := range tracefile.Exporters() {
		if e.Name == "" || e.About == "" || e.Extension == "" || names[e.Name] || extensions[e.Extension] {
			t.Errorf("%+v", e)
		}
		names[e.Name], extensions[e.Extension] = true, true
		for _, c := range tracetest.Cases() {
			var first, second bytes.Buffer
			if err := e.Write(&first, c.Input); err != nil || first.Len() == 0 {
				t.Errorf("%s of %s: %d bytes, %v", e.Name, c.Name, first.Len(), err)
			}
			if err := e.Write(&second, c.Input); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
				t.Errorf("%s of %s: two writings differ", e.Name, c.Name)
			}
		}
	}
}

// BenchmarkExport tells what an event costs: a timeline of a million of them.
func BenchmarkExport(b *testing.B) {
	const events = 1_000_000
	in := tracetest.Large(events)
	for _, e := range tracefile.Exporters() {
		b.Run(e.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := e.Write(io.Discard, in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
