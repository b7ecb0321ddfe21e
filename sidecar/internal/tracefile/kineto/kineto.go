// Package kineto imports traces in Chrome's JSON format as Kineto writes them, the
// tracer of the PyTorch profiler, on CUDA and on ROCm, in the spellings of all its
// versions; from other tools it takes their complete events and their counters.
//
// One goroutine decompresses, one cuts the list of events into batches at the edges of
// events, several read the batches, and the caller's puts the events together in the
// order of the trace. Memory holds a few batches and the columns of the timeline, so it
// does not grow with the text of the trace.
package kineto

import (
	"bytes"
	"context"
	"runtime"
	"sync"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
)

// Importer reads such traces.
type Importer struct{}

// Kind is "kineto".
func (Importer) Kind() string { return "kineto" }

// About names the tools whose traces are of the format.
func (Importer) About() string {
	return "a trace of the PyTorch profiler, or another tool's in Chrome's JSON format"
}

// Detect accepts what begins as a JSON object or list.
func (Importer) Detect(head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(head) > 0 && (head[0] == '{' || head[0] == '[')
}

// maxWorkers bounds the goroutines that read batches: beyond them the one that cuts is what limits.
const maxWorkers = 4

// Read implements importer.Importer.
func (i Importer) Read(ctx context.Context, source *importer.Source, opts importer.Options) (*importer.Imported, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := source.Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	workers := min(max(runtime.GOMAXPROCS(0), 1), maxWorkers)
	c := newConsumer(importer.NewAssembly(i.Kind(), opts), workers)
	batches, read := make(chan batch, workers), make(chan *events, workers)
	free := make(chan []byte, 2*workers+2)
	give := func() []byte {
		select {
		case b := <-free:
			return b
		default:
			return make([]byte, blockBytes)
		}
	}
	var working sync.WaitGroup
	for id := range workers {
		working.Go(func() {
			p := newParser(id)
			for b := range batches {
				out := p.batch(b)
				if cap(b.data) == blockBytes {
					select {
					case free <- b.data[:blockBytes]:
					default:
					}
				}
				select {
				case read <- out:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	s := &splitter{source: source, r: stream, give: give, wants: c.wants, known: c.known, take: func(b batch) error {
		select {
		case batches <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	var cut error
	go func() {
		cut = s.run()
		close(batches)
		working.Wait()
		close(read)
	}()
	// Batches come in nearly any order, at most as many early as there are workers and places in the channels.
	early := map[int]*events{}
	next := 0
	var broken *syntaxError
	for out := range read {
		early[out.seq] = out
		for out = early[next]; out != nil; out = early[next] {
			delete(early, next)
			next++
			if broken == nil {
				c.add(out)
				if broken = out.err; broken != nil {
					cancel()
				}
			}
		}
	}
	switch {
	case broken != nil:
		return nil, &importer.Error{Where: source.Place(broken.at), Reason: broken.text, Hint: "the trace is damaged; copy or record it again"}
	case cut != nil:
		return nil, cut
	}
	return c.finish()
}
