// Package bpfsource is what the collectors made of eBPF programs have in common: when
// programs are loaded and released, that there is one session at a time, and how what
// they send and count is read. What the programs are, and what their records mean, is
// the collector's.
package bpfsource

import (
	"errors"
	"fmt"
	"sync"

	"github.com/inferscope/inferscope/sidecar/internal/clock"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

// Programs are loaded eBPF programs with their maps.
type Programs interface {
	// Close unloads them.
	Close() error
}

// Config is what a Source is made of. The texts are the collector's, in the user's terms.
type Config[P Programs] struct {
	// Name is the collector's; Detail says what it gives where it is available.
	Name, Detail string
	// Beginning says in the infinitive what a session does at first: an error of it begins with that.
	Beginning string
	// Busy says that a session has not ended, Closed that the collector was closed.
	Busy, Closed error
	// Load loads the programs into the kernel, with the privileges that there are.
	Load func() (P, error)
	// Lazy leaves the loading to a session, by Source.Load; else Begin loads.
	Lazy bool
}

// Source loads programs once, for one session at a time. It is safe for concurrent use.
type Source[P Programs] struct {
	config Config[P]

	mu       sync.Mutex
	programs P
	loaded   bool
	failed   error // why loading failed; it is not tried again
	active   bool
}

// New makes a source. It touches nothing of the kernel yet.
func New[P Programs](c Config[P]) *Source[P] { return &Source[P]{config: c} }

// Status says whether the source can be used. It reads what the kernel and the
// process have; it loads nothing.
func (s *Source[P]) Status() collect.Status {
	status := collect.Status{Name: s.config.Name}
	err := s.unavailable()
	if err == nil {
		status.Available = true
		status.Detail = s.config.Detail
		return status
	}
	status.Detail = err.Error()
	var m privilege.Missing
	if errors.As(err, &m) {
		status.Enable = m.Enable
	}
	return status
}

// unavailable says why the source cannot be used; nil when it can.
func (s *Source[P]) unavailable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.loaded:
		return nil
	case s.failed != nil:
		return s.failed
	}
	if err := privilege.ProbeKernel(); err != nil {
		return err
	}
	return privilege.Probe()
}

// Warm loads the programs, which takes tens of milliseconds.
func (s *Source[P]) Warm() error {
	if err := s.unavailable(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.Load()
	return err
}

// Load is the programs, loaded when first asked for; they are the source's to close. Only
// a session that Begin begins may call it.
func (s *Source[P]) Load() (P, error) {
	if s.loaded || s.failed != nil {
		return s.programs, s.failed
	}
	err := privilege.Run(func() (err error) {
		s.programs, err = s.config.Load()
		return err
	})
	if err != nil {
		s.failed = privilege.Refusal(err)
	} else {
		s.loaded = true
	}
	return s.programs, s.failed
}

// Begin begins a session on a process, if the client may look at it. session makes it: it
// gets the programs (none yet where they are loaded lazily) and the offset in ns from the
// kernel's clock to the process's, and gives what begins it, which runs with raised
// privileges. End must follow unless there is an error.
func (s *Source[P]) Begin(target collect.Target, session func(programs P, fromKernel int64) (begin func() error)) error {
	if err := s.unavailable(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active {
		return s.config.Busy
	}
	if !s.config.Lazy {
		if _, err := s.Load(); err != nil {
			return err
		}
	}
	if err := privilege.CheckUser(target); err != nil {
		return err
	}
	offsets, err := clock.Of(target.PID)
	if err != nil {
		return err
	}
	if err := privilege.Run(session(s.programs, offsets.FromKernel)); err != nil {
		return fmt.Errorf("%s: %w", s.config.Beginning, err)
	}
	s.active = true
	return nil
}

// End lets the next session begin.
func (s *Source[P]) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = false
}

// Loaded is the programs, false where they are not loaded.
func (s *Source[P]) Loaded() (P, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.programs, s.loaded
}

// Close unloads the programs. A session must have ended before.
func (s *Source[P]) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.loaded {
		return nil
	}
	err := s.programs.Close()
	var none P
	s.programs, s.loaded, s.failed = none, false, s.config.Closed
	return err
}
