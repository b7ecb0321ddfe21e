package session

import (
	"os/exec"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/python"
	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// meters is a session that tells what is set.
type meters struct {
	collect.Session
	events                    int64
	busy, power, rate, active float64
}

func (m meters) Events() int64               { return m.events }
func (m meters) Busy() (float64, bool)       { return m.busy, m.busy >= 0 }
func (m meters) Power() (float64, bool)      { return m.power, m.power >= 0 }
func (m meters) Activity() (float64, bool)   { return m.active, m.active >= 0 }
func (m meters) KernelRate() (float64, bool) { return m.rate, m.rate >= 0 }

func TestProgressIsThatOfAllSessions(t *testing.T) {
	none := meters{busy: -1, power: -1, rate: -1, active: -1}
	for name, c := range map[string]struct {
		sessions []collect.Session
		want     wire.Status
	}{
		"no GPU":    {[]collect.Session{none}, wire.Status{GPUBusy: -1, SMActivity: -1, GPUPowerW: -1, KernelRate: -1}},
		"idle":      {[]collect.Session{meters{}}, wire.Status{}},
		"two GPUs":  {[]collect.Session{meters{nil, 3, 0.5, 100, -1, 0.125}, meters{nil, 4, 0.25, 250, -1, 0.2}}, wire.Status{Events: 7, GPUBusy: 0.5, SMActivity: 0.2, GPUPowerW: 350, KernelRate: -1}},
		"a capture": {[]collect.Session{none, meters{nil, 9, -1, -1, 52_000, -1}}, wire.Status{Events: 9, GPUBusy: -1, SMActivity: -1, GPUPowerW: -1, KernelRate: 52_000}},
	} {
		one := &cell{sessions: c.sessions, python: python.NewSession(1, timeline.NewBuilder())}
		got := wire.Status{GPUBusy: -1, SMActivity: -1, GPUPowerW: -1, KernelRate: -1}
		one.progress(&got)
		if got.Events != c.want.Events || got.GPUBusy != c.want.GPUBusy || got.SMActivity != c.want.SMActivity || got.GPUPowerW != c.want.GPUPowerW || got.KernelRate != c.want.KernelRate {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhatAThreadWaitsForIsNamed(t *testing.T) {
	child := exec.Command("sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := child.Process.Pid
	one := &cell{peer: server.Peer{PID: pid}, start: wire.Start{MainTID: pid}}
	for deadline := time.Now().Add(30 * time.Second); one.waits() != "a sleep"; {
		if time.Now().After(deadline) {
			t.Fatalf("a process that sleeps waits for %q", one.waits())
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if got := one.waits(); got != "" {
		t.Errorf("a process that is gone waits for %q", got)
	}
}

func TestEveryReasonThatALookCanTellIsNamed(t *testing.T) {
	untold := map[timeline.Reason]bool{timeline.ReasonUnknown: true, timeline.ReasonPreempted: true, timeline.ReasonSyscall: true}
	for r := range timeline.NumReasons {
		if (waits[r] == "") != untold[r] {
			t.Errorf("%v is called %q", r, waits[r])
		}
	}
}
