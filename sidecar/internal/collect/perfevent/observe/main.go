// Command observe runs one fallback collector around a workload of another
// process, for the benchmarks of its cost. It reads lines "begin PID" and "end"
// and answers each with a line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/perfevent"
	"github.com/inferscope/inferscope/sidecar/internal/collect/procfs"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// answer is what a command gave.
type answer struct {
	// Ns is how long the command took, CPUNs what CPU time this process has used so far.
	Ns    int64 `json:"ns"`
	CPUNs int64 `json:"cpu_ns"`
	// Rows and Samples are what was collected; Lost counts records of switches that were not.
	Rows    int             `json:"rows"`
	Samples int             `json:"samples"`
	Lost    int64           `json:"lost"`
	Losses  []timeline.Loss `json:"losses"`
}

func main() {
	if err := observe(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "observe:", err)
		os.Exit(1)
	}
}

func collector(args []string) (collect.Collector, error) {
	if len(args) == 1 {
		switch args[0] {
		case "perf":
			return perfevent.New(), nil
		case "procfs":
			return procfs.New(), nil
		case "accounting":
			return procfs.NewAccounting(), nil
		}
	}
	return nil, fmt.Errorf("usage: observe perf|procfs|accounting")
}

func observe(args []string) error {
	c, err := collector(args)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if status := c.Status(); !status.Available {
		return fmt.Errorf("%s: %s %s", status.Name, status.Detail, status.Enable)
	}
	if err := c.Warm(); err != nil {
		return err
	}
	var session collect.Session
	var b *timeline.Builder
	var begin int64
	lines, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var a answer
		started := time.Now()
		command, argument, _ := strings.Cut(lines.Text(), " ")
		switch {
		case command == "begin" && session == nil:
			pid, err := strconv.Atoi(argument)
			if err != nil {
				return err
			}
			b = timeline.NewBuilder()
			target := collect.Target{PID: pid, Start: wire.Start{MainTID: pid}, Options: wire.Options{SampleHz: 199}}
			if session, err = c.Begin(context.Background(), target, b); err != nil {
				return err
			}
			a.Ns, begin = int64(time.Since(started)), clock.Monotonic()
		case command == "end" && session != nil:
			window := timeline.Interval{Start: begin, End: clock.Monotonic()}
			if err := session.Finish(window); err != nil {
				return err
			}
			a.Ns = int64(time.Since(started))
			session = nil
			a.count(b.Build(window))
		default:
			return fmt.Errorf("bad command %q", lines.Text())
		}
		var used unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err == nil {
			a.CPUNs = used.Utime.Nano() + used.Stime.Nano()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

// count sums up what a timeline holds.
func (a *answer) count(tl *timeline.Timeline) {
	for i := range tl.Threads {
		a.Rows += tl.Threads[i].Sched.Len()
		a.Samples += tl.Threads[i].Samples.Len()
	}
	for _, l := range tl.Losses {
		if l.Source == "perf" && strings.Contains(l.Reason, "lost") {
			a.Lost += l.Count
		}
	}
	a.Losses = tl.Losses
}
