package server

import (
	"context"
	"sync"

	"github.com/inferscope/inferscope/sidecar/wire"
)

const (
	// maxQueuedBytes is how much of Events may wait for a slow handler.
	maxQueuedBytes = 64 << 20
	// maxQueuedJobs is how many messages may wait.
	maxQueuedJobs = 4096
)

// job is one message for the handler, or the end of a connection.
type job struct {
	conn *conn
	seq  uint64
	// message is a *wire.Start, *wire.Stop, *wire.Cancel, *wire.Compare; nil for events and ends.
	message wire.Message
	// events is an Events message that is not yet decoded.
	events *wire.Envelope
	// cell is the cell that a request is about.
	cell string
	// ctx ends when the request is cancelled or its client is gone.
	ctx    context.Context
	cancel context.CancelFunc
	// key is the request's number in queue.open.
	key uint64
}

// queue holds the jobs in the order of their arrival. It is bounded for
// everything that a client can send; ends of connections always fit.
type queue struct {
	mu    sync.Mutex
	jobs  []job
	bytes int
	// open are the requests that wait or run, for their cancellation.
	open map[uint64]job
	next uint64
	// ready has one element when there may be jobs.
	ready chan struct{}
}

func newQueue() *queue {
	return &queue{open: map[uint64]job{}, ready: make(chan struct{}, 1)}
}

// push reports false when the job does not fit.
func (q *queue) push(j job) bool {
	q.mu.Lock()
	size := 0
	if j.events != nil {
		size = len(j.events.Body)
	}
	limited := j.events != nil || j.message != nil
	if limited && (len(q.jobs) >= maxQueuedJobs || q.bytes+size > maxQueuedBytes) {
		q.mu.Unlock()
		return false
	}
	q.bytes += size
	q.jobs = append(q.jobs, j)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

// pop waits for a job; it reports false when ctx is over.
func (q *queue) pop(ctx context.Context) (job, bool) {
	for {
		q.mu.Lock()
		if len(q.jobs) > 0 {
			j := q.jobs[0]
			q.jobs[0] = job{}
			q.jobs = q.jobs[1:]
			if j.events != nil {
				q.bytes -= len(j.events.Body)
			}
			q.mu.Unlock()
			return j, ctx.Err() == nil
		}
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-ctx.Done():
			return job{}, false
		}
	}
}

// request gives a job its context, which lives until done.
func (q *queue) request(ctx context.Context, j job) job {
	j.ctx, j.cancel = context.WithCancel(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next++
	j.key = q.next
	q.open[j.key] = j
	return j
}

func (q *queue) done(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.cancel()
	delete(q.open, j.key)
}

// cancel ends the contexts of the requests that match.
func (q *queue) cancel(match func(job) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.open {
		if match(j) {
			j.cancel()
		}
	}
}
