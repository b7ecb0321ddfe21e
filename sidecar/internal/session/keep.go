package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/runhistory"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
	"github.com/inferscope/inferscope/sidecar/wire"
)

const (
	// keepPatience is how long a report waits for the folder of its trace to be made.
	keepPatience = 100 * time.Millisecond
	// maxWaiting and maxWaitingRows bound the cells whose traces wait to be written.
	maxWaiting     = 16
	maxWaitingRows = DefaultMaxRows
	// batchesWaiting is how many batches of a cell wait for its writer; then the source
	// of the events waits too.
	batchesWaiting = 64
)

// keeper writes the traces of cells into a history, one at a time and beside
// everything else. What fails is one sentence in the status, and never the cell's.
type keeper struct {
	patience time.Duration // keepPatience

	mu      sync.Mutex
	problem string // of the last trace; empty when it was written
	waiting int
	rows    int64
	idle    chan struct{} // closed when nothing waits

	writing sync.Mutex
}

func newKeeper() *keeper {
	idle := make(chan struct{})
	close(idle)
	return &keeper{patience: keepPatience, idle: idle}
}

// admit takes a trace into those that wait to be written; false when there are too many.
func (k *keeper) admit(rows int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting >= maxWaiting || k.waiting > 0 && k.rows+rows > maxWaitingRows {
		return false
	}
	k.enter(rows)
	return true
}

// enter counts something that flush waits for. k.mu must be held.
func (k *keeper) enter(rows int64) {
	if k.waiting == 0 {
		k.idle = make(chan struct{})
	}
	k.waiting++
	k.rows += rows
}

// leave is the end of what was entered.
func (k *keeper) leave(rows int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting--
	k.rows -= rows
	if k.waiting == 0 {
		close(k.idle)
	}
}

// told keeps what went wrong with the last trace; nothing when it is empty.
func (k *keeper) told(problem string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.problem = problem
}

// notKept is the sentence of a report about its trace, which there is not.
func notKept(err error) string {
	return "The trace of this cell is not kept: " + plain(err) + "."
}

// lastNotKept is the same in the status.
func lastNotKept(err error) string { return "the trace of the last cell is not kept: " + plain(err) }

// plain is an error for a user: what was done to which file, without our own steps.
func plain(err error) string {
	var path *os.PathError
	var reason unix.Errno
	switch {
	case errors.As(err, &path):
		return path.Error()
	case errors.As(err, &reason):
		return reason.Error()
	}
	return err.Error()
}

// flush waits until nothing is to be written, or ctx ends.
func (k *keeper) flush(ctx context.Context) {
	k.mu.Lock()
	idle := k.idle
	k.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// status says what of the next cells is kept in a history.
func (k *keeper) status(h *runhistory.History) wire.CollectorStatus {
	const other = "set history.path to a folder of yours"
	k.mu.Lock()
	defer k.mu.Unlock()
	status := wire.CollectorStatus{Name: "history"}
	switch dir, err := h.Dir(); {
	case k.problem != "":
		status.Detail, status.Enable = k.problem, other
	case !h.On():
		status.Detail, status.Enable = "the traces of cells are not kept", "set history.runs and history.bytes above 0"
	case err != nil:
		status.Detail, status.Enable = plain(err), other
	default:
		status.Available = true
		status.Detail = fmt.Sprintf("keeps the traces of the last %d cells in %s", h.Runs(), dir)
	}
	return status
}

// shelf is where a trace goes: the history, or a folder that the user named.
type shelf interface {
	// Begin makes the folder and locks it.
	Begin(tracestore.Meta) (*tracestore.Writer, error)
	// Limit is how many bytes the trace may have.
	Limit() int64
	// Prune removes older traces that are too many by now.
	Prune() error
}

// namedFolder is the shelf for one trace, whose folder the user named.
type namedFolder string

func (f namedFolder) Begin(meta tracestore.Meta) (*tracestore.Writer, error) {
	return tracestore.Create(string(f), meta, tracestore.DefaultOptions())
}
func (f namedFolder) Limit() int64 { return math.MaxInt64 }
func (f namedFolder) Prune() error { return nil }

// trace is the trace of one cell on its way to the disk. Its folder is made when the
// cell has more events than memory holds, or else when the cell has ended.
type trace struct {
	keeper *keeper
	shelf  shelf
	view   timeline.View
	meta   tracestore.Meta

	begin sync.Once
	ready chan struct{} // closed when the folder is made, or could not be
	w     *tracestore.Writer
	err   error

	spill   sync.Once
	batches chan timeline.Batch
	last    chan struct{} // closed when no batch will come
	drained chan struct{} // closed when none is left

	mu     sync.Mutex
	failed error // the first failure to write a batch
}

// trace begins nothing yet; meta is what is known of the cell.
func (k *keeper) trace(s shelf, meta tracestore.Meta, view timeline.View) *trace {
	return &trace{keeper: k, shelf: s, meta: meta, view: view, ready: make(chan struct{}),
		batches: make(chan timeline.Batch, batchesWaiting), last: make(chan struct{}), drained: make(chan struct{})}
}

// make makes the folder in the background, once.
func (t *trace) make() {
	t.begin.Do(func() {
		go func() {
			defer close(t.ready)
			t.w, t.err = t.shelf.Begin(t.meta)
		}()
	})
}

// take is a builder's spill: it writes a batch while the cell runs, or makes the
// source wait.
func (t *trace) take(b timeline.Batch) {
	t.spill.Do(func() {
		t.make()
		go t.drain()
	})
	select {
	case t.batches <- b:
	case <-t.last:
	}
}

// drain writes the batches until there will be none.
func (t *trace) drain() {
	defer close(t.drained)
	<-t.ready
	for {
		select {
		case b := <-t.batches:
			t.write(b)
			continue
		case <-t.last:
		}
		select { // those that came before the end
		case b := <-t.batches:
			t.write(b)
		default:
			return
		}
	}
}

// write writes a batch; after a failure it drops it.
func (t *trace) write(b timeline.Batch) {
	if t.failure() != nil {
		return
	}
	err := t.w.Spill(b, t.view)
	if limit := t.shelf.Limit(); err == nil && t.w.Bytes() > limit {
		err = fmt.Errorf("it grew past the %d bytes of all that are kept", limit)
	}
	t.mu.Lock()
	t.failed = err
	t.mu.Unlock()
}

// failure is why there is no trace, once the folder is ready; nil while there is one.
func (t *trace) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return cmp.Or(t.err, t.failed)
}

// ended says that no batch will come: the builder has built, or is given up.
func (t *trace) ended() {
	close(t.last)
	t.spill.Do(func() { close(t.drained) }) // none ever came
}

// path is the trace's folder, or empty with a sentence that says why there is none. It
// waits for the disk no longer than the keeper's patience.
func (t *trace) path() (path, note string) {
	t.make()
	var err error
	select {
	case <-t.ready:
		err = t.failure()
	case <-time.After(t.keeper.patience):
		err = errors.New("the directory of the traces does not answer")
	}
	if err != nil {
		t.keeper.told(lastNotKept(err))
		return "", notKept(err)
	}
	return t.w.Dir(), ""
}

// save writes what memory holds of the cell. It is the last that is done with the
// trace, and goes on in the background.
func (t *trace) save(tl *timeline.Timeline, meta tracestore.Meta, rows int64) {
	go func() {
		// A thread of its own with the lowest priority, which ends with it: the next cell may run.
		runtime.LockOSThread()
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19)
		t.keeper.writing.Lock()
		defer t.keeper.writing.Unlock()
		<-t.drained
		err := t.failure()
		if err == nil {
			err = t.w.Finish(tl, meta)
		}
		if err != nil {
			t.keeper.told(lastNotKept(err)) // first: whoever waits for the folder's lock asks then
			runhistory.Discard(t.w)
		} else if err := t.shelf.Prune(); err != nil {
			t.keeper.told("older traces cannot be removed: " + plain(err))
		} else {
			t.keeper.told("")
		}
		t.keeper.leave(rows)
	}()
}

// discard gives the trace up, in the background. ended is called before.
func (t *trace) discard() {
	t.begin.Do(func() { close(t.ready) }) // never made
	t.keeper.mu.Lock()
	t.keeper.enter(0)
	t.keeper.mu.Unlock()
	go func() {
		defer t.keeper.leave(0)
		<-t.ready
		<-t.drained
		if t.w != nil {
			runhistory.Discard(t.w)
		}
	}()
}
