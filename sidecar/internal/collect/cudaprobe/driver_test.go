package cudaprobe

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// sources is the folder of the library that stands for the driver's, and of the program that calls it.
const sources = "../../../../tests/cupti/"

// held is what the client says of CUPTI in these tests.
const held = "torch.profiler is active; end its session before the cell to see GPU work"

// build compiles the library and the program, into a folder that every user can read.
func build(t testing.TB) (library, driver string) {
	t.Helper()
	folder := t.TempDir()
	for dir := folder; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	library, driver = filepath.Join(folder, "libcuda.so.1"), filepath.Join(folder, "calls_driver")
	for _, arguments := range [][]string{
		{"-shared", "-fPIC", "-O1", sources + "mock_cuda.c", sources + "mock_cuda_calls.c", "-o", library, "-lpthread"},
		{"-O1", sources + "calls_driver.c", "-o", driver, "-ldl", "-lpthread"},
	} {
		cc := os.Getenv("CC")
		if cc == "" {
			cc = "cc"
		}
		if out, err := exec.Command(cc, append([]string{"-std=c11", "-Wall", "-Wextra", "-Werror"}, arguments...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return library, driver
}

// warm is a collector whose programs are loaded. It skips only where eBPF cannot work at all.
func warm(t *testing.T, o Options) *Collector {
	t.Helper()
	c := New(o)
	if status := c.Status(); !status.Available {
		// The loader library is asked, and not the code under test.
		if err := features.HaveProgramType(ebpf.Tracing); err == nil && os.Geteuid() == 0 {
			t.Fatalf("eBPF works here, and Status says: %s", status.Detail)
		}
		t.Skipf("no eBPF: %s", status.Detail)
	}
	if err := c.source.Warm(); err != nil {
		if features.HaveBPFLinkUprobeMulti() != nil {
			t.Skipf("no probes of many functions: %v", err)
		}
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// driver is a process of calls_driver.c.
type driver struct {
	command *exec.Cmd
	stdin   *os.File
	stdout  *bufio.Scanner
	library string
	pid     int // as this process sees it
	tid     int // of its first thread, as it sees itself
}

// start runs the program, by way of the commands before it.
func start(t *testing.T, before ...string) *driver {
	t.Helper()
	library, program := build(t)
	return startWith(t, library, append(before, program, library)...)
}

func startWith(t *testing.T, library string, command ...string) *driver {
	t.Helper()
	d := &driver{command: exec.Command(command[0], command[1:]...), library: library}
	d.command.Stderr = os.Stderr
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.command.Stdin, d.stdin = reading, writing
	out, err := d.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = d.command.Start()
	reading.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.stdin.Close()
		if err := d.command.Wait(); err != nil {
			t.Errorf("the program: %v", err)
		}
	})
	d.pid = d.command.Process.Pid
	d.stdout = bufio.NewScanner(out)
	word, number, _ := strings.Cut(d.line(t), " ")
	if d.tid, err = strconv.Atoi(number); err != nil || word != "ready" {
		t.Fatalf("%s %s", word, number)
	}
	return d
}

func (d *driver) line(t *testing.T) string {
	t.Helper()
	if !d.stdout.Scan() {
		t.Fatalf("the program said nothing: %v", d.stdout.Err())
	}
	return d.stdout.Text()
}

// do lets the program obey a command, and gives the lines that it answers.
func (d *driver) do(t *testing.T, command string, arguments ...any) []string {
	t.Helper()
	if _, err := fmt.Fprintln(d.stdin, append([]any{command}, arguments...)...); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for {
		line := d.line(t)
		if line == "done" {
			return lines
		}
		lines = append(lines, line)
	}
}

// told is a call as the program tells it: its name, its size, and the time around it.
type told struct {
	tid           int32
	name          string
	bytes         int64
	before, after int64
}

// calls lets both threads of the program make their calls, and gives those that are to be seen.
func (d *driver) calls(t *testing.T, times int) []told {
	t.Helper()
	var all []told
	for _, line := range d.do(t, "calls", times) {
		var c told
		if _, err := fmt.Sscan(line, &c.tid, &c.name, &c.bytes, &c.before, &c.after); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if c.name != "cuStreamQuery" {
			all = append(all, c)
		}
	}
	return all
}

func (d *driver) target() collect.Target {
	return collect.Target{PID: d.pid, UID: uint32(os.Getuid()), Start: wire.Start{MainTID: d.tid, NoCUPTI: held}}
}

// observe runs f while the program's calls are recorded.
func (d *driver) observe(t *testing.T, c *Collector, f func()) *timeline.Timeline {
	t.Helper()
	b := timeline.NewBuilder()
	begin := clock.Monotonic()
	s, err := c.Begin(context.Background(), d.target(), b)
	if err != nil {
		t.Fatal(err)
	}
	f()
	window := timeline.Interval{Start: begin, End: clock.Monotonic()}
	if err := s.Finish(window); err != nil {
		t.Fatal(err)
	}
	built := b.Build(window)
	if err := built.Check(); err != nil {
		t.Error(err)
	}
	return built
}

// reasons are the losses of a timeline in words.
func reasons(tl *timeline.Timeline) string {
	var all []string
	for _, l := range tl.Losses {
		all = append(all, fmt.Sprintf("%s (%d)", l.Reason, l.Count))
	}
	return strings.Join(all, "\n")
}
