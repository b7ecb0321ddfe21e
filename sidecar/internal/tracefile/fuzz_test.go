package tracefile_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/report/html"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
)

func gzipped(f *testing.F, content []byte) []byte {
	f.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}

// Whatever a file holds, it becomes a timeline that keeps the model's invariants and
// that can be analysed and rendered, or an error with a reason.
func FuzzOpen(f *testing.F) {
	for _, name := range []string{"recent.sqlite", "old.sqlite"} {
		content, err := os.ReadFile(filepath.Join("nsys", "testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, "")
		f.Add(gzipped(f, content), "")
		f.Add(content[:len(content)*2/3], "")
	}
	// The spellings of an old version and of ROCm, times as texts, numbers that do not fit, duplicate keys, text that is no
	// UTF-8, and what only some events have.
	odd := []byte(`{"deviceProperties":[{"id":0,"name":"AMD Instinct"}],"baseTimeNanoseconds":1e30,"traceEvents":[
		{"ph":"X","cat":"Kernel","name":"k\u0000","pid":"0","tid":"stream 7","ts":"10.5","dur":"5","args":{"device":0,"stream":7,"correlation":18446744073709551616}},
		{"ph":"X","cat":"Memcpy","name":"CopyDeviceToHost","pid":0,"tid":7,"ts":1e300,"dur":-1,"args":{"bytes":1e30}},
		{"ph":"X","cat":"Operator","name":"a","name":"b","pid":5,"tid":-1,"ts":1,"dur":9007199254740993,"args":{"Input Dims":[[[[]]]]}},
		{"ph":"B","name":"x","ts":1},{"ph":"M","name":"process_name","pid":5,"args":{"name":"ÿþ"}},{"ph":"i","s":"t","ts":3},null,[],1]}`)
	f.Add(odd, "")
	f.Add(gzipped(f, odd), "b")
	f.Add(gzipped(f, odd)[:40], "")
	f.Add([]byte(`[{"ph":"X","cat":"kernel","name":"k","pid":0,"tid":7,"ts":10,"dur":5,"args":{"correlation":1}},
		{"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":5,"tid":6,"ts":1,"dur":2,"args":{"correlation":1}},
		{"ph":"X","cat":"python_function","name":"torch/a.py(1): f","pid":5,"tid":6,"ts":0,"dur":20},
		{"ph":"X","cat":"user_annotation","name":"ProfilerStep#1","pid":5,"tid":6,"ts":0,"dur":9}]`), "1")
	f.Add([]byte("\x1f\x8b\x08"), "")
	f.Fuzz(func(t *testing.T, content []byte, step string) {
		path := filepath.Join(t.TempDir(), "trace")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		opts := importer.Whole()
		opts.Step = step
		trace, err := tracefile.Open(context.Background(), path, opts)
		if err != nil {
			var broken *importer.Error
			var missing *importer.NotThere
			if !errors.As(err, &broken) && !errors.As(err, &missing) || err.Error() == "" {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if err := trace.Timeline.Check(); err != nil {
			t.Error(err)
		}
		r := analysis.Analyze(trace.Timeline, analysis.Input{})
		var sum int64
		for _, c := range r.Idle.Causes {
			sum += c.Ns
		}
		if sum != r.Idle.TotalNs {
			t.Errorf("causes sum to %d of %d", sum, r.Idle.TotalNs)
		}
		html.Document(r)
	})
}
