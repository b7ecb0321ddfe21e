// Command timeline_10m builds and analyses a timeline of 10 million synthetic
// events and reports the time and the peak resident memory. The budget is 3 s and
// 512 MiB on two cores.
//
//	go run ./bench/timeline_10m [-threads 64] [-main 1] [-events 10000000] [-disorder 0] [-gpu]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

func main() {
	threads := flag.Int("threads", 64, "threads that the events are spread over")
	share := flag.Float64("main", 0, "share of the events that belong to the main thread; 0: as many as any other")
	events := flag.Int("events", 10_000_000, "events: 2 of 5 are switches, 2 of 5 lines, 1 of 5 samples")
	disorder := flag.Int("disorder", 0, "every how many events one comes late; 0: never")
	gpu := flag.Bool("gpu", false, "events of a loop that gives a device work, in one thread, instead")
	flag.Parse()
	report, err := measure(*threads, *share, *events, *disorder, *gpu)
	if err != nil {
		fmt.Fprintln(os.Stderr, "timeline_10m:", err)
		os.Exit(1)
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(report); err != nil {
		os.Exit(1)
	}
}

// Report is what one run measured.
type Report struct {
	Events, Threads, CPUs              int
	AppendS, BuildS, AnalyzeS          float64
	BuildAndAnalyzeS, AppendNsPerEvent float64
	// CPUS is the CPU time of the whole run: on a busy machine it says more than the wall.
	CPUS                                  float64
	PeakRSSMiB, RSSBeforeMiB, LiveHeapMiB float64
	Verdict                               string
	// WhatIfs is how many predictions were made, of which each replays the cell.
	WhatIfs int
}

func measure(threads int, share float64, events, disorder int, gpu bool) (Report, error) {
	r := Report{Events: events, Threads: threads, CPUs: runtime.GOMAXPROCS(0)}
	var err error
	if r.RSSBeforeMiB, err = status("VmHWM"); err != nil {
		return r, err
	}
	const window = int64(60e9)
	start := time.Now()
	b := timeline.NewBuilder()
	b.SetRung(timeline.RungEBPF)
	if gpu {
		fillDevice(b, events, window)
	} else {
		fill(b, threads, share, events, disorder, window)
	}
	appended := time.Now()
	tl := b.Build(timeline.Interval{Start: 0, End: window})
	b = nil
	built := time.Now()
	answer := analysis.Analyze(tl, analysis.Input{Cell: result.Cell{Lines: strings.Split(strings.Repeat("x = f(x)\n", 100), "\n")}})
	done := time.Now()
	if r.PeakRSSMiB, err = status("VmHWM"); err != nil {
		return r, err
	}
	r.AppendS = appended.Sub(start).Seconds()
	r.BuildS = built.Sub(appended).Seconds()
	r.AnalyzeS = done.Sub(built).Seconds()
	r.BuildAndAnalyzeS = done.Sub(start).Seconds()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return r, err
	}
	r.CPUS = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	r.AppendNsPerEvent = r.AppendS * 1e9 / float64(events)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.LiveHeapMiB = float64(m.HeapInuse) / (1 << 20)
	r.Verdict, r.WhatIfs = answer.Verdict.Sentence, len(answer.WhatIf)
	runtime.KeepAlive(tl)
	return r, nil
}

// fill streams events in the order of time, as collectors do: each table of each thread is sorted.
func fill(b *timeline.Builder, threads int, share float64, events, disorder int, window int64) {
	builders := make([]*timeline.ThreadBuilder, threads)
	for i := range builders {
		t := b.Thread(1, int32(i+1))
		t.SetSamplePeriod(2_000_000)
		t.SetKnown(timeline.Interval{Start: 0, End: window})
		builders[i] = t
	}
	builders[0].SetMain()
	var stacks []timeline.StackID
	for i := range 500 {
		stacks = append(stacks, b.Stack([]timeline.FrameID{
			b.Frame(timeline.Frame{Func: b.Name(fmt.Sprintf("f%d", i%50)), File: b.Name("m.py"), Line: int32(i)}),
			b.Frame(timeline.Frame{Func: b.Name("<module>"), File: b.Name(timeline.CellFile), Line: int32(i%90 + 1)}),
		}))
	}
	module := b.Name("/usr/lib/libblas.so")
	seed := uint64(88172645463325252)
	random := func() uint64 {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		return seed
	}
	step := window / int64(events)
	for i := range events {
		at := int64(i) * step
		r := random()
		t := builders[r%uint64(threads)]
		if share > 0 {
			if float64(r>>40)/(1<<24) < share {
				t = builders[0]
			} else if threads > 1 {
				t = builders[1+r%uint64(threads-1)]
			}
		}
		if disorder > 0 && i%disorder == 0 {
			at = max(at-1000*step, 0)
		}
		switch i % 5 {
		case 0, 1:
			reason := timeline.Reason(r >> 8 % uint64(timeline.NumReasons))
			t.AppendOffCPU(at, at+step, at+step+step/4, reason, int16(reason)*7, timeline.ThreadID(r>>24%4+1), stacks[r>>32%500])
		case 2, 3:
			line := int32(r>>8%90 + 1)
			t.AppendLine(at, line, line, false)
		default:
			t.AppendSample(at, timeline.SampleKind(r>>8&3), int16(r>>16&255), stacks[r>>32%500], module)
		}
	}
}

// status is a field of /proc/self/status in MiB.
func status(field string) (float64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", field)
}
