package cupti

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

const (
	root       = "../../../.."
	recordings = root + "/tests/cupti/recordings"
)

// natives is a folder with the shim, the driver program and what stands for libcuda and libcupti.
type natives struct {
	dir string
	err error
}

var (
	compiled natives
	once     sync.Once
)

func TestMain(m *testing.M) {
	code := m.Run()
	if compiled.dir != "" {
		os.RemoveAll(compiled.dir)
	}
	os.Exit(code)
}

// compile builds the C side once; cgo needs a compiler anyway.
func compile(t testing.TB) string {
	t.Helper()
	once.Do(func() {
		if compiled.dir, compiled.err = os.MkdirTemp("", "cupti-test-"); compiled.err != nil {
			return
		}
		sources, err := filepath.Glob(root + "/cupti/*.c")
		if err != nil || len(sources) == 0 {
			compiled.err = fmt.Errorf("no sources of the shim: %w", err)
			return
		}
		tests := root + "/tests/cupti/"
		for _, build := range []struct {
			out  string
			args []string
		}{
			{"libinferscope_shim.so", append([]string{"-shared", "-fPIC", "-fvisibility=hidden"}, sources...)},
			{"libcuda.so.1", []string{"-shared", "-fPIC", tests + "mock_cuda.c"}},
			{"libcupti.so.13", []string{"-shared", "-fPIC", tests + "mock_cupti.c"}},
			{"driver", []string{"-I" + root + "/cupti", tests + "capture_driver.c"}},
		} {
			args := append([]string{"-std=c11", "-O2", "-o", filepath.Join(compiled.dir, build.out)}, build.args...)
			cc := os.Getenv("CC")
			if cc == "" {
				cc = "cc"
			}
			if out, err := exec.Command(cc, append(args, "-ldl", "-lpthread")...).CombinedOutput(); err != nil {
				compiled.err = fmt.Errorf("building %s: %w\n%s", build.out, err, out)
				return
			}
		}
	})
	if compiled.err != nil {
		t.Fatal(compiled.err)
	}
	return compiled.dir
}

// unpack writes a recording without its compression.
func unpack(t testing.TB, name string) string {
	t.Helper()
	file, err := os.Open(filepath.Join(recordings, name+".cupti.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(zipped)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".cupti")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// producer is a process with the shim in it.
type producer struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	file string // the recording that it replays
}

// start runs a process that has libcuda and libcupti mapped and CUDA initialised,
// as a notebook that uses torch; with lazy, it has nothing of it.
func start(t testing.TB, recording string, lazy bool, environment ...string) *producer {
	t.Helper()
	dir := compile(t)
	p := &producer{t: t, file: unpack(t, recording)}
	p.cmd = exec.Command(filepath.Join(dir, "driver"), dir+"/libinferscope_shim.so", dir+"/libcuda.so.1", dir+"/libcupti.so.13")
	p.cmd.Env = append(append(os.Environ(), "MOCK_CUPTI_RECORDING="+p.file), environment...)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewScanner(out)
	t.Cleanup(p.kill)
	if !lazy {
		p.do("cuda")
		p.do("init")
		p.do("cupti")
	}
	return p
}

func (p *producer) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *producer) pid() int { return p.cmd.Process.Pid }

// do sends one command and returns its answer.
func (p *producer) do(format string, args ...any) string {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		p.t.Fatalf("%s: %v", format, err)
	}
	if !p.out.Scan() {
		p.t.Fatalf(format+": the process has ended", args...)
	}
	return p.out.Text()
}

// outcome is struct inferscope_outcome.
type outcome struct {
	result, started, finalized, busy, records, cuptiError, windows, ungoverned, worked int
	step, detail, library                                                              string
}

func (p *producer) outcome(format string, args ...any) outcome {
	p.t.Helper()
	answer := p.do(format, args...)
	var o outcome
	var rest string
	numbers := strings.SplitN(answer, " ", 10)
	if len(numbers) == 10 {
		rest = numbers[9]
	}
	if _, err := fmt.Sscan(answer, &o.result, &o.started, &o.finalized, &o.busy, &o.records, &o.cuptiError, &o.windows, &o.ungoverned, &o.worked); err != nil {
		p.t.Fatalf("%q: %v", answer, err)
	}
	texts := strings.SplitN(rest, "|", 3)
	if len(texts) == 3 {
		o.step, o.detail, o.library = texts[0], texts[1], texts[2]
	}
	return o
}

// replay does the recorded work and returns when the device is done with it.
func (p *producer) replay(count int) int64 {
	p.t.Helper()
	end, err := strconv.ParseInt(p.do("replay %s %d", p.file, count), 10, 64)
	if err != nil || end == 0 {
		p.t.Fatalf("replay: %d, %v", end, err)
	}
	return end
}

// cell is one capture: the real collector on this side, the shim on the other.
type cell struct {
	session *Session
	builder *timeline.Builder
	window  timeline.Interval
}

func begin(t testing.TB, c *Collector, p *producer) *cell {
	t.Helper()
	one := &cell{builder: timeline.NewBuilder()}
	one.window.Start = clock.Monotonic()
	session, err := c.Begin(context.Background(), collect.Target{PID: p.pid(), UID: uint32(os.Geteuid())}, one.builder)
	if err != nil {
		t.Fatal(err)
	}
	one.session = session.(*Session)
	return one
}

// finish ends the session; the timeline keeps its model's invariants.
func (c *cell) finish(t testing.TB) *timeline.Timeline {
	t.Helper()
	c.window.End = clock.Monotonic()
	if err := c.session.Finish(c.window); err != nil {
		t.Fatal(err)
	}
	tl := c.builder.Build(c.window)
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	return tl
}

// capture profiles one replay from begin to end.
func capture(t testing.TB, c *Collector, p *producer, count int) (*timeline.Timeline, outcome) {
	t.Helper()
	one := begin(t, c, p)
	if o := p.outcome("begin %s 0 0 0", one.session.RingPath()); o.result != 0 {
		t.Fatalf("begin: %+v", o)
	}
	p.replay(count)
	o := p.outcome("end")
	return one.finish(t), o
}

func newCollector(t testing.TB) *Collector {
	c := New()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// eventually waits for a condition that another process or goroutine brings about.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

func losses(tl *timeline.Timeline) map[string]int64 {
	found := map[string]int64{}
	for _, l := range tl.Losses {
		found[l.Reason] += l.Count
	}
	return found
}
