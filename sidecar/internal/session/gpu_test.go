package session

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// source is a collector of which only that it was begun matters.
type source struct {
	status collect.Status
	begun  int
}

type nothing struct{ ring string }

func (s *source) Name() string           { return s.status.Name }
func (s *source) Status() collect.Status { return s.status }
func (*source) Warm() error              { return nil }
func (*source) Close() error             { return nil }
func (s *source) Begin(context.Context, collect.Target, *timeline.Builder) (collect.Session, error) {
	s.begun++
	if s.status.Name == "cupti" {
		return nothing{"/ring"}, nil
	}
	return nothing{}, nil
}
func (nothing) Finish(timeline.Interval) error { return nil }
func (nothing) Abort()                         {}
func (n nothing) RingPath() string             { return n.ring }

// Exactly one of the capture and its stand-in is begun, and where neither sees the GPU's work the report says so.
func TestWhatSeesTheGPUsWork(t *testing.T) {
	const held = "torch.profiler is active; end its session"
	for name, c := range map[string]struct {
		start          wire.Start
		available      bool
		cupti, instead int
		losses         []string
		collectors     []string // of the summary
	}{
		"CUPTI can be used": {wire.Start{}, true, 1, 0, nil, []string{"cupti on", "nvml off"}},
		"CUPTI is held":     {wire.Start{NoCUPTI: held}, true, 0, 1, nil, []string{"cudaprobe on", "nvml off"}},
		"nothing can be used": {wire.Start{NoCUPTI: held}, false, 0, 0, []string{held, "lacks CAP_BPF"},
			[]string{"cudaprobe off", "nvml off"}},
		"the GPU is not wanted": {wire.Start{NoCUPTI: held, Typed: map[string]string{"gpu": "false"}}, true, 0, 0, nil, []string{}},
	} {
		cupti := &source{status: collect.Status{Name: "cupti", Available: true}}
		instead := &source{status: collect.Status{Name: "cudaprobe", Available: c.available, Detail: "the sidecar lacks CAP_BPF", Enable: "sudo setcap"}}
		sensors := &source{status: collect.Status{Name: "nvml", Detail: "no NVIDIA driver answers"}}
		s := New(Config{Sources: Sources{Capture: cupti, Instead: instead, GPU: []collect.Collector{sensors}}})
		c.start.CellID, c.start.Source = "1", "run()"
		started, err := s.Start(context.Background(), server.Peer{PID: os.Getpid(), UID: uint32(os.Getuid())}, c.start)
		if err != nil {
			t.Fatal(name, err)
		}
		now := clock.Monotonic()
		report, err := s.Stop(context.Background(), wire.Stop{CellID: "1", Begin: now - 1e6, End: now, Outcome: "ok"})
		if err != nil {
			t.Fatal(name, err)
		}
		if cupti.begun != c.cupti || instead.begun != c.instead || (started.GPURing != "") != (c.cupti > 0) {
			t.Errorf("%s: CUPTI begun %d times, its stand-in %d times, ring %q", name, cupti.begun, instead.begun, started.GPURing)
		}
		if got := collectorsIn(t, report.Summary); !slices.Equal(got, c.collectors) {
			t.Errorf("%s: the summary has the collectors %q, want %q", name, got, c.collectors)
		}
		var said []string
		for _, l := range report.Losses {
			if l.Source == "cudaprobe" {
				said = append(said, l.Reason+" "+l.Enable)
			}
		}
		if len(said) != len(c.losses) {
			t.Errorf("%s: losses %q", name, said)
			continue
		}
		for i, part := range c.losses {
			if !strings.Contains(said[i], part) {
				t.Errorf("%s: losses %q", name, said)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(name, err)
		}
	}
}

// collectorsIn are the collectors that a summary lists.
func collectorsIn(t *testing.T, summary string) []string {
	t.Helper()
	var doc struct {
		Collectors []struct {
			Name      string
			Available bool
		}
	}
	if err := json.Unmarshal([]byte(summary), &doc); err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, c := range doc.Collectors {
		out = append(out, c.Name+map[bool]string{true: " on", false: " off"}[c.Available])
	}
	return out
}
