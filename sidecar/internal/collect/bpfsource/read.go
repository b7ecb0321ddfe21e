package bpfsource

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// pollInterval is how long a reader sleeps before it looks at its rings: the programs do
// not wake it for single records, which would cost the profiled process many times what
// the record itself does.
const pollInterval = 50 * time.Millisecond

// Past is a deadline that has passed: with it, what is in a ring is read, and nothing waited for.
var Past = time.Unix(1, 0)

// Read hands each record that is in a ring to handle, waiting until the deadline for more.
// The bytes hold until handle returns.
func Read(ring *ringbuf.Reader, record *ringbuf.Record, deadline time.Time, handle func([]byte)) error {
	ring.SetDeadline(deadline)
	for {
		err := ring.ReadInto(record)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a ring: %w", err)
		}
		handle(record.RawSample)
	}
}

// Drainer empties rings in a goroutine of its own while a session goes on. The zero value is ready to start.
type Drainer struct {
	stop chan struct{}
	done sync.WaitGroup
	err  error
}

// Start begins the goroutine: prepare, which may be nil, runs in it first, then drain again
// and again, until Stop or an error.
func (d *Drainer) Start(prepare func() error, drain func(deadline time.Time) error) {
	d.stop = make(chan struct{})
	d.done.Go(func() {
		if prepare != nil {
			if d.err = prepare(); d.err != nil {
				return
			}
		}
		for {
			select {
			case <-d.stop:
				return
			default:
			}
			if d.err = drain(time.Now().Add(pollInterval)); d.err != nil {
				return
			}
		}
	})
}

// Stop ends the goroutine and waits for it. ring is the one in which it waits: it need not
// sleep to its deadline. Records may be left in the rings. Without Start there is nothing to wait for.
func (d *Drainer) Stop(ring *ringbuf.Reader) error {
	if d.stop != nil {
		close(d.stop)
	}
	err := ring.Flush()
	d.done.Wait()
	return err
}

// Err is what ended the goroutine before Stop; call it after Stop.
func (d *Drainer) Err() error { return d.err }

// Iterate runs an iterator program over whatever it iterates.
func Iterate(program *ebpf.Program) error {
	it, err := link.AttachIter(link.IterOptions{Program: program})
	if err != nil {
		return fmt.Errorf("attach %s: %w", program, err)
	}
	defer it.Close()
	reader, err := it.Open()
	if err != nil {
		return fmt.Errorf("open %s: %w", program, err)
	}
	defer reader.Close()
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}

// Counts sums the one entry of a map that has a value for each CPU.
func Counts[T any](counts *ebpf.Map, add func(sum *T, each *T)) (sum T, err error) {
	var each []T
	if err := counts.Lookup(uint32(0), &each); err != nil {
		return sum, err
	}
	for i := range each {
		add(&sum, &each[i])
	}
	return sum, nil
}

// Lose records a loss of records, if there was one. source is the collector's name, enable what would prevent it, mostly nothing.
func Lose(b *timeline.Builder, source string, count int64, reason, enable string) {
	if count > 0 {
		b.AddLoss(timeline.Loss{Source: source, Reason: reason, Count: count, Enable: enable})
	}
}
