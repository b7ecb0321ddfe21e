package nsys

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
)

func read(t testing.TB, content []byte, opts importer.Options) (*importer.Imported, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export.sqlite")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return readFile(t, path, opts)
}

func readFile(t testing.TB, path string, opts importer.Options) (*importer.Imported, error) {
	t.Helper()
	source, err := importer.OpenSource(path)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if !(Importer{}).Detect(source.Head()) {
		t.Fatal("the export is not detected")
	}
	trace, err := Importer{}.Read(context.Background(), source, opts)
	if err == nil {
		if broken := trace.Timeline.Check(); broken != nil {
			t.Error(broken)
		}
	}
	return trace, err
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestRecentVersion(t *testing.T) {
	trace, err := read(t, file(t, "recent.sqlite"), importer.Whole())
	if err != nil {
		t.Fatal(err)
	}
	tl := trace.Timeline
	if tl.Window != (timeline.Interval{Start: 800, End: 6000}) || trace.Kind != "nsys" {
		t.Errorf("window %v of %s", tl.Window, trace.Kind)
	}
	if len(tl.Devices) != 2 || tl.Devices[0].Name != "H100 B" || tl.Devices[1].PCI != "0000:01:00.0" {
		t.Fatalf("devices %+v", tl.Devices)
	}
	// The launch of each operation, by its time: correlation ids are the same in both processes.
	launched := func(d *timeline.Device) []int64 {
		var out []int64
		for _, call := range d.Ops.Call {
			if call < 0 {
				out = append(out, -1)
				continue
			}
			out = append(out, tl.Calls.Start[call])
		}
		return out
	}
	a, b := &tl.Devices[0], &tl.Devices[1]
	if got := launched(a); !slices.Equal(got, []int64{900, 2900, -1, -1}) {
		t.Errorf("launches on 0: %v", got)
	}
	if got := launched(b); !slices.Equal(got, []int64{1400, 4900}) {
		t.Errorf("launches on 1: %v", got)
	}
	name := tl.Names.String
	if name(a.Ops.Name[0]) != "void gemm<float>(float*)" || name(b.Ops.Name[0]) != "gemm" || name(b.Ops.Name[1]) != "CUDA graph" {
		t.Errorf("kernels %s, %s, %s", name(a.Ops.Name[0]), name(b.Ops.Name[0]), name(b.Ops.Name[1]))
	}
	if !slices.Equal(b.Ops.Graph, []uint32{5, 12}) || !slices.Equal(b.Ops.Stream, []uint32{7, 9}) {
		t.Errorf("graphs %v, streams %v", b.Ops.Graph, b.Ops.Stream)
	}
	if a.Ops.Copy[1] != timeline.CopyHtoD || a.Ops.Source[1] != timeline.MemoryPageable || a.Ops.Target[1] != timeline.MemoryDevice || a.Ops.Bytes[1] != 640 {
		t.Errorf("copy %s %s->%s %d", a.Ops.Copy[1], a.Ops.Source[1], a.Ops.Target[1], a.Ops.Bytes[1])
	}
	if a.Ops.Copy[2] != timeline.CopyHtoD || a.Ops.Source[2] != timeline.MemoryManaged || a.Ops.Target[2] != timeline.MemoryUnknown {
		t.Errorf("copy of unified memory %s %s->%s", a.Ops.Copy[2], a.Ops.Source[2], a.Ops.Target[2])
	}
	if a.Ops.Kind[3] != timeline.OpMemset || a.Ops.Bytes[3] != 32 {
		t.Errorf("set %d of %d", a.Ops.Kind[3], a.Ops.Bytes[3])
	}
	if got := name(tl.Calls.Name[0]); got != "cudaLaunchKernel" || tl.Calls.Class[0] != timeline.CallLaunch || tl.Calls.Class[2] != timeline.CallCopy {
		t.Errorf("calls %s, %v", got, tl.Calls.Class)
	}
	if len(tl.Threads) != 3 || tl.Threads[1].PID != 100 || tl.Threads[1].TID != 101 || tl.Threads[2].Name != "worker" || tl.Main() != 1 {
		t.Errorf("threads %+v", tl.Threads)
	}
	main := &tl.Threads[1]
	if main.Ranges.Len() != 1 || name(main.Ranges.Name[0]) != "aten::mm" || main.Ranges.End[0] != 2600 {
		t.Errorf("ranges %+v", main.Ranges)
	}
	var scopes []string
	for i, n := range main.Scopes.Name {
		scopes = append(scopes, name(n))
		if name(n) == "open" && main.Scopes.End[i] != 6000 {
			t.Errorf("the open range ends at %d", main.Scopes.End[i])
		}
	}
	if !slices.Equal(scopes, []string{"open", "decode", "ProfilerStep#3"}) {
		t.Errorf("scopes %v", scopes)
	}
	if len(tl.Overheads) != 1 || tl.Overheads[0] != (timeline.Interval{Start: 2000, End: 2100}) {
		t.Errorf("overheads %v", tl.Overheads)
	}
	lost := map[string]int64{}
	for _, l := range tl.Losses {
		lost[l.Reason] = l.Count
	}
	if lost["records had no time"] != 1 || lost["records ended before they began"] != 1 {
		t.Errorf("losses %v", lost)
	}
}

func TestOldVersionOfOneProcess(t *testing.T) {
	trace, err := read(t, file(t, "old.sqlite"), importer.Whole())
	if err != nil {
		t.Fatal(err)
	}
	tl := trace.Timeline
	ops := &tl.Devices[0].Ops
	if ops.Len() != 401 || tl.Calls.Len() != 400 || tl.Devices[0].Name != "V100" {
		t.Fatalf("%d operations of %s, %d calls", ops.Len(), tl.Devices[0].Name, tl.Calls.Len())
	}
	for i, call := range ops.Call[:400] {
		if call != int32(i) || ops.Start[i] != int64(i)*1000 || tl.Names.String(ops.Name[i]) != "kernel é😀" {
			t.Fatalf("operation %d: %d by %d, %q", i, ops.Start[i], call, tl.Names.String(ops.Name[i]))
		}
	}
	if ops.Copy[400] != timeline.CopyDtoH || ops.Source[400] != timeline.MemoryUnknown || ops.Bytes[400] != 123_456_789_012 || ops.Call[400] != -1 {
		t.Errorf("copy %s from %s of %d", ops.Copy[400], ops.Source[400], ops.Bytes[400])
	}
}

func TestCompressed(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(file(t, "old.sqlite"))
	w.Close()
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	trace, err := read(t, b.Bytes(), importer.Whole())
	if err != nil || trace.Timeline.Devices[0].Ops.Len() != 401 {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// What comes after the database, of whatever length, is left as it is.
	w = gzip.NewWriter(&b)
	w.Write(make([]byte, 1<<20))
	w.Close()
	if trace, err = read(t, b.Bytes(), importer.Whole()); err != nil || trace.Timeline.Devices[0].Ops.Len() != 401 {
		t.Fatal(err)
	}
	_, err = read(t, b.Bytes()[:b.Len()/2], importer.Whole())
	var told *importer.Error
	if !errors.As(err, &told) || !strings.Contains(told.Error(), "decompressed: the gzip stream is damaged or ends early") {
		t.Error(err)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	whole := file(t, "old.sqlite")
	unaware := bytes.Clone(whole) // of how long it is
	unaware[95]++
	other := bytes.ReplaceAll(bytes.ReplaceAll(whole, []byte("C\x00U\x00P\x00T\x00I\x00"), []byte("X\x00U\x00P\x00T\x00I\x00")), []byte("NVTX"), []byte("XVTX"))
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"another database": {other, "it is a database without a table of Nsight Systems"},
		"cut off":          {whole[:20_000], "byte 0: the file has 20000 bytes and states that it has 50688: it is cut off"},
		"cut off unawares": {unaware[:20_000], "a page lies behind the end of the file"},
		"the header alone": {whole[:60], "byte 0: the header is cut off"},
	} {
		_, err := read(t, c.content, importer.Whole())
		var told *importer.Error
		if !errors.As(err, &told) || told.Hint == "" || !strings.Contains(told.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := read(t, unaware[:20_000], importer.Whole()); !strings.HasPrefix(err.Error(), "row ") || !strings.Contains(err.Error(), " of ") || !strings.Contains(err.Error(), "(page ") {
		t.Errorf("no record is named: %v", err)
	}
}

func TestAJournalBesideIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "export.sqlite")
	for name, content := range map[string][]byte{path: file(t, "old.sqlite"), path + "-wal": []byte("x")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trace, err := readFile(t, path, importer.Whole())
	if err != nil || len(trace.Notes) != 1 || !strings.Contains(trace.Notes[0], "-wal") {
		t.Errorf("%v, %v", trace, err)
	}
}

func FuzzNsys(f *testing.F) {
	for _, name := range []string{"recent.sqlite", "old.sqlite"} {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !(Importer{}).Detect(data) {
			return
		}
		_, err := read(t, data, importer.Whole())
		var told *importer.Error
		if err != nil && !errors.As(err, &told) {
			t.Error(err)
		}
	})
}

// Of what the GPUs sampled, the activity is read, by the numbers that CUDA has for the GPUs.
func TestGPUMetrics(t *testing.T) {
	trace, err := read(t, file(t, "recent.sqlite"), importer.Whole())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range trace.Timeline.Counters {
		got[c.Name] = fmt.Sprint(c.Unit, c.Time, c.Value)
	}
	// The reading before the wall is cut off.
	want := map[string]string{"gpu0 SM activity": "share[1000 1100] [0.8 0]", "gpu0 DRAM read bandwidth": "share[1000] [0.3]", "gpu1 tensor activity": "share[2000] [1]"}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !slices.ContainsFunc(trace.Timeline.Losses, func(l timeline.Loss) bool {
		return l.Reason == "readings of the GPU's metrics had no time or no value" && l.Count == 1
	}) {
		t.Errorf("%+v", trace.Timeline.Losses)
	}
}
