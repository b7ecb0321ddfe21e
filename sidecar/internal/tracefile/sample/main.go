// Command sample writes the timelines of the tests in every format, and beside each what
// is in it, counted from the timeline itself. The tests that open the files with the tools
// they are for use it. With -events it writes a large one instead, and says what that took.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

func main() {
	out := flag.String("out", ".", "the folder for the files")
	events := flag.Int("events", 0, "write one timeline of about this many events instead of the tests'")
	flag.Parse()
	if err := run(*out, *events); err != nil {
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(1)
	}
}

func run(dir string, events int) error {
	if events > 0 {
		return large(dir, events)
	}
	for _, c := range tracetest.Cases() {
		for _, e := range tracefile.Exporters() {
			if err := export(dir, c, e); err != nil {
				return err
			}
		}
		if err := describe(filepath.Join(dir, c.Name+".json"), c.Input); err != nil {
			return err
		}
	}
	return nil
}

// large prints the time and the memory of each exporter.
func large(dir string, events int) error {
	in := tracetest.Large(events)
	for _, e := range tracefile.Exporters() {
		debug.FreeOSMemory()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		started := time.Now()
		if err := export(dir, tracetest.Case{Name: "large", Input: in}, e); err != nil {
			return err
		}
		took := time.Since(started)
		runtime.ReadMemStats(&after)
		fmt.Printf("%s: %d events in %.1f s, %d MiB allocated beside the %d MiB of the timeline\n", e.Name, events, took.Seconds(),
			(after.TotalAlloc-before.TotalAlloc)>>20, before.HeapAlloc>>20)
	}
	return nil
}

func export(dir string, c tracetest.Case, e tracefile.Exporter) error {
	f, err := os.Create(filepath.Join(dir, c.Name+e.Extension))
	if err != nil {
		return err
	}
	if err := e.Write(f, c.Input); err != nil {
		return err
	}
	return f.Close()
}

func describe(name string, in track.Input) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(f).Encode(contents(in)); err != nil {
		return err
	}
	return f.Close()
}

// op is one operation of a device with the call that launched it.
type op struct {
	Device int32  `json:"device"`
	Stream uint32 `json:"stream"`
	Start  int64  `json:"start"`
	Ns     int64  `json:"ns"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	// Launch is the start of the launching call, -1 when it is not known; By its name.
	Launch int64  `json:"launch"`
	By     string `json:"by"`
}

// waiting is how long one thread was in one state.
type waiting struct {
	TID    int32  `json:"tid"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Ns     int64  `json:"ns"`
}

// content is what there is in a timeline.
type content struct {
	Start    int64     `json:"start"`
	Window   int64     `json:"window"`
	Ops      []op      `json:"ops"`
	Calls    int       `json:"calls"`
	Scopes   int       `json:"scopes"`
	Marks    int       `json:"marks"`
	GC       int       `json:"gc"`
	Counters int       `json:"counters"`
	Waiting  []waiting `json:"waiting"`
}

func contents(in track.Input) content {
	tl := in.Timeline
	c := content{Start: tl.Window.Start, Window: tl.Window.Ns(), Calls: tl.Calls.Len(), Ops: []op{}, Waiting: []waiting{}}
	for _, d := range tl.Devices {
		for i, start := range d.Ops.Start {
			o := op{Device: d.Index, Stream: d.Ops.Stream[i], Start: start, Ns: d.Ops.End[i] - start,
				Kind: []string{"kernel", "gpu_memcpy", "gpu_memset"}[d.Ops.Kind[i]], Name: tl.Names.String(d.Ops.Name[i]), Launch: -1}
			if call := d.Ops.Call[i]; call >= 0 {
				o.Launch, o.By = tl.Calls.Start[call], tl.Names.String(tl.Calls.Name[call])
			}
			c.Ops = append(c.Ops, o)
		}
	}
	for _, t := range tl.Threads {
		c.Scopes += t.Scopes.Len()
		c.Marks += t.Marks.Len()
		c.GC += t.GC.Len()
		c.Waiting = append(c.Waiting, waits(&t)...)
	}
	for _, of := range tl.Counters {
		c.Counters += len(of.Time)
	}
	return c
}

func waits(t *timeline.Thread) []waiting {
	var blocked [timeline.NumReasons]int64
	var runnable int64
	running := t.Sched.Known.End - t.Sched.Known.Start
	for i, off := range t.Sched.Off {
		blocked[t.Sched.Reason[i]] += t.Sched.Wake[i] - off
		runnable += t.Sched.On[i] - t.Sched.Wake[i]
		running -= t.Sched.On[i] - off
	}
	out := []waiting{}
	add := func(state, reason string, ns int64) {
		if ns > 0 {
			out = append(out, waiting{TID: t.TID, Name: t.Name, State: state, Reason: reason, Ns: ns})
		}
	}
	add("running", "", running)
	add("runnable", "", runnable)
	for r, ns := range blocked {
		add("blocked", timeline.Reason(r).String(), ns)
	}
	return out
}
