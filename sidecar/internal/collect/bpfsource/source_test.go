package bpfsource

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"

	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// programs count how often they were closed.
type programs struct{ closed int }

func (p *programs) Close() error {
	p.closed++
	return nil
}

var (
	errBusy   = errors.New("busy")
	errClosed = errors.New("closed")
)

// source makes one whose programs are loaded by load; it skips where eBPF is not permitted.
func source(t *testing.T, lazy bool, load func() (*programs, error)) *Source[*programs] {
	t.Helper()
	s := New(Config[*programs]{Name: "test", Detail: "nothing", Beginning: "begin the test", Busy: errBusy, Closed: errClosed, Load: load, Lazy: lazy})
	if status := s.Status(); !status.Available {
		if err := features.HaveProgramType(ebpf.Tracing); err == nil && os.Geteuid() == 0 {
			t.Fatalf("eBPF works here, and Status says: %s", status.Detail)
		}
		t.Skipf("no eBPF: %s", status.Detail)
	}
	return s
}

// own is this process as a target of its own.
func own() collect.Target {
	return collect.Target{PID: os.Getpid(), UID: uint32(os.Getuid())}
}

func TestProgramsAreLoadedOnceForOneSessionAtATime(t *testing.T) {
	loads := 0
	p := &programs{}
	s := source(t, false, func() (*programs, error) {
		loads++
		return p, nil
	})
	nothing := func() error { return nil }
	begun := 0
	session := func(got *programs, _ int64) func() error {
		if got != p {
			t.Error("a session without the programs")
		}
		begun++
		return nothing
	}
	for range 2 {
		if err := s.Begin(own(), session); err != nil {
			t.Fatal(err)
		}
		if err := s.Begin(own(), session); !errors.Is(err, errBusy) {
			t.Errorf("a second session: %v", err)
		}
		s.End()
	}
	// One that cannot begin is none.
	failing := func(*programs, int64) func() error { return func() error { return errors.New("no room") } }
	if err := s.Begin(own(), failing); err == nil || err.Error() != "begin the test: no room" {
		t.Errorf("%v", err)
	}
	if err := s.Begin(own(), session); err != nil {
		t.Error(err)
	}
	s.End()
	if loads != 1 || begun != 3 {
		t.Errorf("loaded %d times, %d sessions", loads, begun)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if status := s.Status(); p.closed != 1 || status.Available || status.Detail != "closed" {
		t.Errorf("closed %d times: %+v", p.closed, status)
	}
	if err := s.Begin(own(), session); !errors.Is(err, errClosed) {
		t.Errorf("a session after the end: %v", err)
	}
}

func TestLoadingThatFailedIsNotTriedAgain(t *testing.T) {
	loads := 0
	s := source(t, false, func() (*programs, error) {
		loads++
		return nil, errors.New("the kernel does not like it")
	})
	for range 2 {
		if err := s.Warm(); err == nil || !strings.Contains(err.Error(), "the kernel does not like it") {
			t.Errorf("%v", err)
		}
	}
	if status := s.Status(); loads != 1 || status.Available || !strings.Contains(status.Detail, "does not like it") {
		t.Errorf("loaded %d times: %+v", loads, status)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestLazyProgramsAreLoadedByASession(t *testing.T) {
	loads := 0
	s := source(t, true, func() (*programs, error) {
		loads++
		return &programs{}, nil
	})
	err := s.Begin(own(), func(p *programs, _ int64) func() error {
		if p != nil || loads != 0 {
			t.Errorf("loaded %d times before they are needed", loads)
		}
		return func() error {
			_, err := s.Load()
			return err
		}
	})
	if _, ok := s.Loaded(); err != nil || !ok || loads != 1 {
		t.Errorf("%v, loaded %v, %d times", err, ok, loads)
	}
	s.End()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
