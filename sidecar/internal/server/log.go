package server

import (
	"io"
	"log"
	"sync/atomic"
)

// maxLogLines bounds what one sidecar writes, whatever a hostile client does.
const maxLogLines = 5000

// eventLog is the sidecar's log, bounded.
type eventLog struct {
	to    *log.Logger
	lines atomic.Int64
}

func newEventLog(w io.Writer) *eventLog {
	return &eventLog{to: log.New(w, "", log.LstdFlags|log.Lmicroseconds|log.LUTC)}
}

func (l *eventLog) printf(format string, args ...any) {
	switch n := l.lines.Add(1); {
	case n < maxLogLines:
		l.to.Printf(format, args...)
	case n == maxLogLines:
		l.to.Printf("%d lines were written; nothing more is", maxLogLines)
	}
}

// Write takes the ZeroMQ library's own log lines.
func (l *eventLog) Write(p []byte) (int, error) {
	l.printf("%s", p)
	return len(p), nil
}
