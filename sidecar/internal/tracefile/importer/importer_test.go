package importer

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
)

func TestSourcesThatAreNone(t *testing.T) {
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe") // to open it would wait for a writer
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		filepath.Join(folder, "absent"):        "it cannot be opened: no such file or directory",
		folder:                                 "it is a folder",
		pipe:                                   "it is no regular file",
		write("empty", nil):                    "byte 0: it is empty",
		write("cut.gz", []byte{0x1f, 0x8b, 8}): "byte 0, decompressed: the gzip stream is damaged or ends early: unexpected EOF",
		write("wrong.gz", []byte("\x1f\x8bxxxxxxxxxxxxxxx")): "byte 0, decompressed: the gzip stream is damaged or ends early",
	} {
		_, err := OpenSource(path)
		var told *Error
		if !errors.As(err, &told) || told.Hint == "" || !strings.HasPrefix(told.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, want)
		}
	}
}

// A compressed source reads as what was compressed, of several members and in pieces of any size.
func TestStream(t *testing.T) {
	text := make([]byte, 3*aheadBytes+17)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range text {
		text[i] = "abcdefg"[rng.IntN(7)]
	}
	var b bytes.Buffer
	for _, part := range [][]byte{text[:1000], text[1000:]} {
		w := gzip.NewWriter(&b)
		w.Write(part)
		w.Close()
	}
	path := filepath.Join(t.TempDir(), "x.gz")
	open := func(content []byte) io.ReadCloser {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := OpenSource(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { source.Close() })
		if !source.Compressed() || !bytes.Equal(source.Head(), text[:HeadBytes]) {
			t.Errorf("compressed %v, a head of %d bytes", source.Compressed(), len(source.Head()))
		}
		stream, err := source.Stream(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	stream := open(b.Bytes())
	got, err := io.ReadAll(stream)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes of %d: %v", len(got), len(text), err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	stream = open(b.Bytes()[:b.Len()-20])
	got, err = io.ReadAll(stream)
	var told *Error
	if !errors.As(err, &told) || !bytes.HasPrefix(text, got) || !strings.Contains(told.Where, "decompressed") {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	stream.Close()
	stream = open(b.Bytes())
	if err := stream.Close(); err != nil { // before it was read: the goroutine ends
		t.Error(err)
	}
}

// Of a compressed source that says how long it is, no more is unfolded.
func TestRandomIsBounded(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(make([]byte, 4<<20))
	w.Close()
	path := filepath.Join(t.TempDir(), "x.gz")
	unfolded := func(content []byte, most int64) (int64, error) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := OpenSource(path)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		_, size, release, err := source.Random(context.Background(), most)
		if err == nil {
			release()
		}
		return size, err
	}
	for most, want := range map[int64]int64{1 << 20: 1<<20 + 1, 4 << 20: 4 << 20, 8 << 20: 4 << 20, 0: 4 << 20} {
		if size, err := unfolded(b.Bytes(), most); err != nil || size != want {
			t.Errorf("at most %d: %d bytes, %v", most, size, err)
		}
	}
	damaged := bytes.Clone(b.Bytes())
	damaged[len(damaged)-8]++ // the sum
	var told *Error
	if _, err := unfolded(damaged, 4<<20); !errors.As(err, &told) {
		t.Errorf("a damaged stream: %v", err)
	}
}

func TestIdsOfThreads(t *testing.T) {
	a := NewAssembly("test", Whole())
	narrow, wide, other := a.Thread(5, 6), a.Thread(5, 4093687616), a.Thread(5, 4093687617)
	if narrow == wide || wide == other || a.Thread(5, 4093687616) != wide {
		t.Error("threads are mixed up")
	}
	negative := a.Thread(-1<<40, -247463936)
	if negative == narrow {
		t.Error("threads are mixed up")
	}
	for _, th := range []*Thread{narrow, wide, other, negative} {
		a.Range(th, 0, 1, a.Name("x"), timeline.RangeOperator)
	}
	trace, err := a.Finish()
	if err != nil {
		t.Fatal(err)
	}
	threads := trace.Timeline.Threads[1:]
	if threads[0].TID != 6 || threads[1].Name != "thread 4093687616" || threads[2].Name != "thread 4093687617" || threads[3].PID < 0 || threads[3].TID != -247463936 {
		t.Errorf("%+v", threads)
	}
}

func TestMainThread(t *testing.T) {
	for name, c := range map[string]struct {
		fill func(a *Assembly, x, y *Thread)
		want timeline.ThreadID
	}{
		"the profiler's steps before all": {func(a *Assembly, x, y *Thread) {
			a.Call(x, 0, 1, a.Name("cudaLaunchKernel"), 1)
			a.Marked(y, 0, 1, a.Name("ProfilerStep#1"))
		}, 2},
		"most launches": {func(a *Assembly, x, y *Thread) {
			a.Range(x, 0, 100, a.Name("x"), timeline.RangeOperator)
			a.Call(y, 0, 1, a.Name("cudaMemcpyAsync"), 1)
			a.Call(x, 0, 1, a.Name("cudaStreamSynchronize"), 2)
		}, 2},
		"most code": {func(a *Assembly, x, y *Thread) {
			a.Range(x, 0, 10, a.Name("x"), timeline.RangeOperator)
			a.Range(y, 0, 11, a.Name("x"), timeline.RangeOperator)
		}, 2},
	} {
		a := NewAssembly("test", Whole())
		c.fill(a, a.Thread(1, 1), a.Thread(1, 2))
		trace, err := a.Finish()
		if err != nil || trace.Timeline.Main() != c.want {
			t.Errorf("%s: %d, %v", name, trace.Timeline.Main(), err)
		}
	}
}

// assembly has two devices and two steps; the first step's kernel ends in the second.
func assembly(opts Options) (*Imported, error) {
	a := NewAssembly("test", opts)
	th := a.Thread(1, 1)
	for step := range int64(2) {
		at := 1000 * step
		a.Marked(th, at, at+1000, a.Name([]string{"ProfilerStep#7", "ProfilerStep#8"}[step]))
		a.Marked(th, at+10, at+20, a.Name("decode"))
		a.Call(th, at+100, at+110, a.Name("cudaLaunchKernel"), uint32(step+1))
		a.Op(0, timeline.Op{Start: at + 500, End: at + 1200, Name: a.Name("k"), Correlation: uint32(step + 1)})
	}
	a.Op(3, timeline.Op{Start: 300, End: 400, Name: a.Name("k")})
	a.Describe(0, "H100", "", 80)
	a.Describe(1, "idle", "", 80)
	return a.Finish()
}

func TestSteps(t *testing.T) {
	whole, err := assembly(Whole())
	if err != nil {
		t.Fatal(err)
	}
	if w := whole.Timeline; !w.NoCell || w.Window != (timeline.Interval{Start: 0, End: 2200}) || len(w.Devices) != 2 {
		t.Errorf("the whole trace: %v, %d devices", w.Window, len(w.Devices))
	}
	for _, asked := range []string{"8", "ProfilerStep#8"} {
		opts := Whole()
		opts.Step = asked
		step, err := assembly(opts)
		if err != nil {
			t.Fatal(err)
		}
		tl := step.Timeline
		if tl.NoCell || tl.Window != (timeline.Interval{Start: 1000, End: 2000}) || tl.Extent.End != 2200 || len(step.Notes) != 1 {
			t.Errorf("%s: %v to %d, whole %v, %q", asked, tl.Window, tl.Extent.End, tl.NoCell, step.Notes)
		}
		if ops := tl.Devices[0].Ops; !slices.Equal(ops.Start, []int64{1000, 1500}) || !slices.Equal(ops.Call, []int32{-1, 0}) {
			t.Errorf("%s: operations at %v of calls %v", asked, ops.Start, ops.Call)
		}
	}
	opts := Whole()
	opts.Step = "decode" // the first of several
	if step, err := assembly(opts); err != nil || step.Timeline.Window != (timeline.Interval{Start: 10, End: 20}) {
		t.Errorf("decode: %v", err)
	}
	opts.Step = "9"
	var missing *NotThere
	if _, err := assembly(opts); !errors.As(err, &missing) || missing.Error() != `the trace has no step "9"; it has "ProfilerStep#7", "ProfilerStep#8"` {
		t.Error(err)
	}
}

func TestOneDevice(t *testing.T) {
	opts := Whole()
	opts.Device = 3
	trace, err := assembly(opts)
	if err != nil || len(trace.Timeline.Devices) != 1 || trace.Timeline.Devices[0].Index != 3 || trace.Timeline.Window.End != 2200 {
		t.Errorf("%+v, %v", trace, err)
	}
	opts.Device = 1 // described, but without an operation
	var missing *NotThere
	if _, err := assembly(opts); !errors.As(err, &missing) || missing.Error() != `the trace has no device "1"; it has 0, 3` {
		t.Error(err)
	}
}

// What a trace can make us remember is bounded, and what goes past a bound is counted.
func TestBounds(t *testing.T) {
	a := NewAssembly("test", Whole())
	for i := range int64(MaxThreads + 10) {
		a.Range(a.Thread(1, i), 0, 1, 0, timeline.RangeOperator)
		a.NameThread(2, i, "x")
	}
	for i := range int64(MaxDevices + 5) {
		a.Op(i, timeline.Op{Start: 0, End: 1})
	}
	a.Op(-1, timeline.Op{Start: 0, End: 1})
	trace, err := a.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(trace.Timeline.Threads); n != MaxThreads+1 {
		t.Errorf("%d threads", n)
	}
	if n := len(trace.Timeline.Devices); n != MaxDevices {
		t.Errorf("%d devices", n)
	}
	lost := map[string]int64{}
	for _, l := range trace.Timeline.Losses {
		lost[l.Reason] = l.Count
	}
	if lost["records of threads past the first 16384"] != 10 || lost["operations of no device that there can be"] != 6 {
		t.Errorf("%v", lost)
	}
}
