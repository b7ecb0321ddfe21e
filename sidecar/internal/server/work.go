package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// work calls the handler, one job at a time, in the order of arrival.
func (s *server) work(ctx context.Context) {
	for {
		j, ok := s.queue.pop(ctx)
		if !ok {
			return
		}
		switch {
		case j.events != nil:
			s.events(*j.events)
		case j.message != nil:
			answer, err := s.request(j)
			s.queue.done(j)
			if err != nil {
				answer = fault(err)
				s.log.printf("%s of cell %.60q: %v", wire.Name(j.message), j.cell, err)
			}
			s.reply(j.conn, j.seq, answer)
			s.answered(j)
		default:
			s.cancelOf(j.conn)
		}
	}
}

// answered tells the handler that a report has been sent.
func (s *server) answered(j job) {
	a, ok := s.handler.(Answered)
	if m, stop := j.message.(*wire.Stop); ok && stop {
		_ = s.guarded("Answered", func() error {
			a.Answered(m.CellID)
			return nil
		})
	}
}

func fault(err error) wire.Error {
	var f *wire.Error
	if errors.As(err, &f) {
		return *f
	}
	return wire.Error{
		Code: wire.CodeInternal, Message: "The sidecar failed: " + err.Error() + ".",
		Hint: "Please report it with the cell's code.",
	}
}

// guarded turns a panic of the handler into an error.
func (s *server) guarded(what string, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.printf("panic in %s: %v\n%s", what, p, debug.Stack())
			err = fmt.Errorf("%s: panic: %v", what, p)
		}
	}()
	return call()
}

func (s *server) request(j job) (answer wire.Message, err error) {
	err = s.guarded(wire.Name(j.message), func() error {
		switch m := j.message.(type) {
		case *wire.Start:
			if j.ctx.Err() != nil {
				return &wire.Error{Code: wire.CodeUnknownCell, Message: "The cell was cancelled before it started."}
			}
			started, err := s.handler.Start(j.ctx, j.conn.peer, *m)
			if err == nil {
				s.setActive(m.CellID, j.conn)
			}
			answer = started
			return err
		case *wire.Stop:
			defer s.clearActive(m.CellID)
			m.Losses = append(m.Losses, s.takeLosses(m.CellID)...)
			report, err := s.handler.Stop(j.ctx, *m)
			answer = report
			return err
		case *wire.Cancel:
			defer s.clearActive(m.CellID)
			answer = wire.Cancelled{CellID: m.CellID}
			return s.handler.Cancel(*m)
		case *wire.Compare:
			comparison, err := s.handler.Compare(j.ctx, *m)
			answer = comparison
			return err
		}
		return fmt.Errorf("%s has no handler", wire.Name(j.message))
	})
	return answer, err
}

func (s *server) setActive(cell string, owner *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active, s.owner = cell, owner
}

func (s *server) clearActive(cell string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active == cell {
		s.active, s.owner = "", nil
	}
	select {
	case s.cellEnded <- struct{}{}:
	default: // it will look anyway
	}
}

// cancelOf ends the cell of a client that is gone.
func (s *server) cancelOf(c *conn) {
	s.mu.Lock()
	cell := s.active
	abandoned := cell != "" && s.owner == c
	s.mu.Unlock()
	if !abandoned {
		return
	}
	s.log.printf("%s (process %d) is gone; its cell %.60q is cancelled", c.id, c.peer.PID, cell)
	if s.cfg.Abandoned != nil {
		s.cfg.Abandoned()
	}
	if err := s.guarded("Cancel", func() error { return s.handler.Cancel(wire.Cancel{CellID: cell}) }); err != nil {
		s.log.printf("cancel cell %.60q: %v", cell, err)
	}
	s.clearActive(cell)
}

func (s *server) events(e wire.Envelope) {
	m, err := e.Decode()
	if err != nil {
		s.log.printf("events refused: %v", err)
		s.mu.Lock()
		s.malformed++
		s.mu.Unlock()
		return
	}
	_ = s.guarded("Events", func() error {
		s.handler.Events(*m.(*wire.Events))
		return nil
	})
}

// dropEvents counts the rows of a message that did not fit into the queue.
func (s *server) dropEvents(e wire.Envelope) {
	m, err := e.Decode()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.malformed++
		return
	}
	if events := m.(*wire.Events); events.CellID == s.starting {
		s.dropped += rows(events)
	}
}

// rows is the number of lines, scopes, marks, collections and samples of a message.
func rows(m *wire.Events) int64 {
	n := len(m.Scopes.Start) + len(m.Marks.Time) + len(m.GC.Start) + len(m.Samples.Time) + len(m.Calls.Calls)
	for _, l := range m.Lines {
		n += len(l.Time)
	}
	return int64(n / 8) // each of these columns is int64
}

// takeLosses returns what the server dropped of a cell's events.
func (s *server) takeLosses(cell string) []wire.Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cell != s.starting {
		return nil
	}
	var losses []wire.Loss
	if s.dropped > 0 {
		losses = append(losses, wire.Loss{
			Source: "python", Count: s.dropped,
			Reason: "the sidecar could not keep up with the events of the Python process",
		})
	}
	if s.malformed > 0 {
		losses = append(losses, wire.Loss{
			Source: "python", Count: s.malformed,
			Reason: "batches of events of the Python process could not be read",
		})
	}
	s.dropped, s.malformed = 0, 0
	return losses
}

func (s *server) status(c *conn, seq uint64) {
	s.reply(c, seq, s.handlerStatus())
}

func (s *server) handlerStatus() wire.Status {
	var status wire.Status
	_ = s.guarded("Status", func() error {
		status = s.handler.Status()
		return nil
	})
	return status
}

// statusPatience is how long readiness and Welcome wait for the handler's status:
// its first look at what the machine offers may take longer than starting did.
const statusPatience = 10 * time.Millisecond

// collectorsSoon returns nothing when the handler needs longer than statusPatience.
func (s *server) collectorsSoon() []wire.CollectorStatus {
	status := make(chan wire.Status, 1)
	go func() { status <- s.handlerStatus() }()
	select {
	case st := <-status:
		return st.Collectors
	case <-time.After(statusPatience):
		return nil
	}
}
