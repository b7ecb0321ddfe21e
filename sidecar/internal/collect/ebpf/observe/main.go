// Command observe runs the eBPF collector alone, for the benchmarks: it reads one
// JSON object a line on stdin and answers each with one on stdout.
//
//	{"begin": {"PID": 1, "UID": 0, "Start": {...}}}   -> {"begin_ns": ...}
//	{"end": true}                                     -> {"end_ns": ..., "rows": ..., "samples": ..., "losses": [...]}
//	{"count": true}                                   -> {"counting": true}, from then on the kernel counts costs
//	{"costs": true}                                   -> {"costs": [{"Program": ..., "Runs": ..., "Ns": ...}, ...]}, as ebpf.Cost
//
// Start is wire.Start with Go's names of its members. -hz sets the sampler's frequency,
// as ebpf.Options.SampleHz.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/ebpf"
)

type request struct {
	Begin *collect.Target `json:"begin"`
	End   bool            `json:"end"`
	Count bool            `json:"count"`
	Costs bool            `json:"costs"`
}

type ended struct {
	EndNs   int64           `json:"end_ns"`
	Rows    int             `json:"rows"`
	Samples int             `json:"samples"`
	Losses  []timeline.Loss `json:"losses"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "observe:", err)
		os.Exit(1)
	}
}

func run() error {
	hz := flag.Int("hz", 0, "samples a second; 0 is the collector's default, -1 none")
	flag.Parse()
	c := ebpf.New(ebpf.Options{SampleHz: *hz})
	if err := c.Warm(); err != nil {
		return err
	}
	defer c.Close()
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<20)
	var session collect.Session
	var builder *timeline.Builder
	var start int64
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return err
		}
		var answer any
		switch {
		case r.Begin != nil:
			builder = timeline.NewBuilder()
			before := time.Now()
			s, err := c.Begin(context.Background(), *r.Begin, builder)
			if err != nil {
				return err
			}
			answer = map[string]int64{"begin_ns": time.Since(before).Nanoseconds()}
			session, start = s, clock.Monotonic()
		case r.End && session != nil:
			window := timeline.Interval{Start: start, End: clock.Monotonic()}
			before := time.Now()
			if err := session.Finish(window); err != nil {
				return err
			}
			e := ended{EndNs: time.Since(before).Nanoseconds(), Losses: []timeline.Loss{}}
			t := builder.Build(window)
			e.Losses = append(e.Losses, t.Losses...)
			for i := range t.Threads {
				e.Rows += t.Threads[i].Sched.Len()
				e.Samples += t.Threads[i].Samples.Len()
			}
			answer, session, builder = e, nil, nil
		case r.Count:
			counting, err := ebpf.CountCosts()
			if err != nil {
				return err
			}
			defer counting.Close() // asked for once, held to the end
			answer = map[string]bool{"counting": true}
		case r.Costs:
			costs, err := c.Costs()
			if err != nil {
				return err
			}
			answer = map[string][]ebpf.Cost{"costs": costs}
		default:
			return fmt.Errorf("not understood: %s", in.Bytes())
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return in.Err()
}
