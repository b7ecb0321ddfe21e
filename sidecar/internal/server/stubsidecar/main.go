// Command stubsidecar is a sidecar whose handler collects nothing: the tests of
// both ends of the seam run it as a real process. The first line of a cell's source
// chooses what the handler does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/wire"
)

func main() {
	if len(os.Args) != 2 || os.Args[1] != "serve" {
		fmt.Fprintln(os.Stderr, "usage: stubsidecar serve")
		os.Exit(2)
	}
	if err := server.RunProcess("stub", newStub); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// stub counts what it is given and tells it in the report's text.
type stub struct {
	mu      sync.Mutex
	cell    string
	mode    string
	cells   int
	batches int
	bytes   int
	order   []string
}

func newStub(server.Boot) (server.Handler, error) {
	switch os.Getenv("STUB_SIDECAR") {
	case "refuse":
		return nil, errors.New("the stub was told to refuse")
	case "crash":
		panic("the stub was told to crash")
	case "mute":
		time.Sleep(time.Hour)
	}
	return &stub{}, nil
}

// IdleExit is what the test's environment says, as Go writes a duration.
func (s *stub) IdleExit() time.Duration {
	idle, _ := time.ParseDuration(os.Getenv("STUB_IDLE"))
	return idle
}

func (s *stub) Start(_ context.Context, peer server.Peer, m wire.Start) (wire.Started, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cell, s.batches, s.bytes, s.order = m.CellID, 0, 0, []string{"start"}
	s.mode, _, _ = strings.Cut(m.Source, "\n")
	switch s.mode {
	case "panic":
		panic("the stub was told to panic")
	case "busy":
		return wire.Started{}, &wire.Error{Code: wire.CodeBusy, Message: "The stub is busy.", Hint: "Wait."}
	case "crash":
		go panic("the stub was told to crash in a goroutine")
		time.Sleep(time.Hour)
	}
	return wire.Started{CellID: m.CellID, Collectors: []wire.CollectorStatus{{
		Name: "stub", Available: true, Detail: fmt.Sprintf("peer %d of user %d", peer.PID, peer.UID),
	}}}, nil
}

func (s *stub) Events(m wire.Events) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	for _, l := range m.Lines {
		s.bytes += len(l.Time) + len(l.Line) + len(l.Top)
	}
	s.order = append(s.order, "events")
	if s.mode == "slow events" {
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *stub) Stop(ctx context.Context, m wire.Stop) (wire.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.CellID != s.cell {
		return wire.Report{}, &wire.Error{Code: wire.CodeUnknownCell, Message: "The stub knows no such cell."}
	}
	s.cells++
	s.order = append(s.order, "stop")
	cell := s.cell
	s.cell = ""
	if s.mode == "hang" {
		<-ctx.Done()
		return wire.Report{}, ctx.Err()
	}
	html := ""
	if s.mode == "large" {
		html = strings.Repeat("x", 8<<20)
	}
	if s.mode == "too large" {
		html = strings.Repeat("x", wire.MaxFrame)
	}
	return wire.Report{
		CellID: cell, HTML: html, Losses: m.Losses,
		Text: fmt.Sprintf("batches=%d bytes=%d order=%s", s.batches, s.bytes, strings.Join(s.order, ",")),
	}, nil
}

func (s *stub) Cancel(m wire.Cancel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cell == m.CellID {
		s.cell = ""
	}
	return nil
}

func (s *stub) Compare(_ context.Context, m wire.Compare) (wire.Comparison, error) {
	return wire.Comparison{Text: strings.Join(m.Before, ",") + " to " + strings.Join(m.After, ",")}, nil
}

func (s *stub) Status() wire.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.Status{SidecarVersion: "stub", PID: os.Getpid(), ActiveCell: s.cell, CellsProfiled: s.cells}
}
