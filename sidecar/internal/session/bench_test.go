package session

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// BenchmarkTraceAfterReport is the time from the report of a cell of a million events to
// its closed trace.
func BenchmarkTraceAfterReport(b *testing.B) {
	const events, begin = 1_000_000, 1_000_000
	var waited time.Duration
	for b.Loop() {
		b.StopTimer()
		s := service(b, filepath.Join(b.TempDir(), "runs"), 1, 0)
		start(b, s, "a")
		for sent := 0; sent < events; sent += 1000 {
			lines(s, "a", begin+int64(sent)*stepNs, 1000)
		}
		report, err := s.Stop(context.Background(), wire.Stop{CellID: "a", Begin: begin, End: begin + events*stepNs, Outcome: "ok"})
		if err != nil || report.Trace == "" {
			b.Fatal(report.Trace, err)
		}
		b.StartTimer()
		from := time.Now()
		s.Answered("a")
		flush(b, s)
		waited += time.Since(from)
	}
	b.ReportMetric(waited.Seconds()/float64(b.N), "s/trace")
}
