package ebpf

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// interpreters are the Pythons of the test matrix, by minor version, as far as
// they are here; the one on the path always is.
func interpreters(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	all, err := filepath.Glob("../../../../.venvs/py*/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := exec.LookPath("python3"); err == nil {
		all = append(all, p)
	}
	for _, path := range all {
		out, err := exec.Command(path, "-c", "import msgpack, sys; print('%d.%d' % sys.version_info[:2])").Output()
		if version := strings.TrimSpace(string(out)); err == nil && found[version] == "" {
			found[version] = path
		}
	}
	if len(found) == 0 {
		t.Skip("no Python with msgpack is installed: run .ci/setup")
	}
	return found
}

// python is the newest interpreter that is here.
func python(t *testing.T) string {
	t.Helper()
	best := ""
	all := interpreters(t)
	for version := range all {
		if len(version) > len(best) || len(version) == len(best) && version > best {
			best = version
		}
	}
	return all[best]
}

// warm is a collector that is loaded. It skips only where eBPF cannot work at all.
func warm(t *testing.T, o Options) *Collector {
	t.Helper()
	c := New(o)
	if status := c.Status(); !status.Available {
		// The loader library is asked, and not the code under test.
		if err := features.HaveProgramType(ebpf.Tracing); err == nil && os.Geteuid() == 0 {
			t.Fatalf("eBPF works here, and Status says: %s", status.Detail)
		}
		if os.Getenv("CI") != "" && os.Geteuid() == 0 {
			t.Fatalf("eBPF should work here: %s", status.Detail)
		}
		t.Skipf("no eBPF: %s", status.Detail)
	}
	if err := c.Warm(); err != nil {
		var verifier *ebpf.VerifierError
		if errors.As(err, &verifier) {
			t.Fatalf("%+v", verifier)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// target is a process of testdata/target.py.
type target struct {
	command *exec.Cmd
	stdin   *os.File
	killed  bool
	stdout  *bufio.Scanner
	hello   struct {
		PID         int              `json:"pid"`
		TID         int              `json:"tid"`
		CellFile    string           `json:"cell_file"`
		Calibration wire.Calibration `json:"calibration"`
	}
	told map[string]int64
}

func start(t *testing.T, command ...string) *target {
	t.Helper()
	p := &target{command: exec.Command(command[0], command[1:]...)}
	p.command.Stderr = os.Stderr
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.command.Stdin, p.stdin = reading, writing
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = p.command.Start()
	reading.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stdin.Close()
		if err := p.command.Wait(); err != nil && !p.killed {
			t.Errorf("the target: %v", err)
		}
	})
	p.stdout = bufio.NewScanner(out)
	p.stdout.Buffer(nil, 1<<20)
	p.receive(t, &p.hello)
	return p
}

func (p *target) receive(t *testing.T, into any) {
	t.Helper()
	if !p.stdout.Scan() {
		t.Fatalf("the target said nothing: %v", p.stdout.Err())
	}
	if err := json.Unmarshal(p.stdout.Bytes(), into); err != nil {
		t.Fatalf("%s: %v", p.stdout.Bytes(), err)
	}
}

func (p *target) run(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, "go\n"); err != nil {
		t.Fatal(err)
	}
	p.receive(t, &p.told)
}

func (p *target) window() timeline.Interval {
	return timeline.Interval{Start: p.told["begin"], End: p.told["end"]}
}

func (p *target) target() collect.Target { return p.as(p.command.Process.Pid) }

// as is the target for a process whose id here is not the command's own.
func (p *target) as(pid int) collect.Target {
	return collect.Target{PID: pid, UID: uint32(os.Getuid()), Start: wire.Start{
		MainTID: p.hello.TID, CellFile: p.hello.CellFile, Calibration: p.hello.Calibration,
	}}
}

// observe runs a target's scenario under a collector.
func observe(t *testing.T, c *Collector, p *target, as collect.Target) *timeline.Timeline {
	t.Helper()
	b := timeline.NewBuilder()
	s, err := c.Begin(context.Background(), as, b)
	if err != nil {
		t.Fatal(err)
	}
	p.run(t)
	if err := s.Finish(p.window()); err != nil {
		t.Fatal(err)
	}
	built := b.Build(p.window())
	if err := built.Check(); err != nil {
		t.Error(err)
	}
	return built
}

// scenario observes one scenario of testdata/target.py.
func scenario(t *testing.T, name string) (*timeline.Timeline, *target) {
	t.Helper()
	c := warm(t, Options{})
	p := start(t, python(t), "testdata/target.py", name)
	return observe(t, c, p, p.target()), p
}

// mainThread is the thread that ran the scenario.
func mainThread(t *testing.T, tl *timeline.Timeline) *timeline.Thread {
	t.Helper()
	id := tl.Main()
	if id == 0 {
		t.Fatal("no main thread")
	}
	return &tl.Threads[id]
}

func threadByID(t *testing.T, tl *timeline.Timeline, tid int64) *timeline.Thread {
	t.Helper()
	for i := 1; i < len(tl.Threads); i++ {
		if int64(tl.Threads[i].TID) == tid {
			return &tl.Threads[i]
		}
	}
	t.Fatalf("no thread %d", tid)
	return nil
}

// blockedNs sums what a thread was blocked for, by reason; the time runnable is under ReasonPreempted.
func blockedNs(th *timeline.Thread) (sums [timeline.NumReasons]int64) {
	s := &th.Sched
	for i := range s.Off {
		sums[s.Reason[i]] += s.Wake[i] - s.Off[i]
		sums[timeline.ReasonPreempted] += s.On[i] - s.Wake[i]
	}
	return sums
}

func describe(th *timeline.Thread) string {
	var b strings.Builder
	for reason, ns := range blockedNs(th) {
		if ns > 0 {
			b.WriteString(timeline.Reason(reason).String())
			b.WriteString(" ")
			b.WriteString(ms(ns))
			b.WriteString("  ")
		}
	}
	return b.String()
}
