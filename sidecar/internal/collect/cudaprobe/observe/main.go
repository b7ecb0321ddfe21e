// Command observe runs the probes of CUDA calls alone, for the benchmarks: it reads one
// JSON object a line on stdin and answers each with one on stdout.
//
//	{"begin": {"PID": 1, "UID": 0, "Start": {...}}}   -> {"begin_ns": ...}
//	{"end": true}                                     -> {"end_ns": ..., "rows": ..., "losses": [...]}
//
// Start is wire.Start with Go's names of its members, and rows are the calls that were recorded.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/cudaprobe"
)

type request struct {
	Begin *collect.Target `json:"begin"`
	End   bool            `json:"end"`
}

type ended struct {
	EndNs  int64           `json:"end_ns"`
	Rows   int             `json:"rows"`
	Losses []timeline.Loss `json:"losses"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "observe:", err)
		os.Exit(1)
	}
}

func run() error {
	c := cudaprobe.New(cudaprobe.Options{})
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
			e.Rows = t.Calls.Len()
			answer, session, builder = e, nil, nil
		default:
			return fmt.Errorf("not understood: %s", in.Bytes())
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return in.Err()
}
