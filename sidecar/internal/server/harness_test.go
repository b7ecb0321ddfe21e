package server

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/inferscope/inferscope/sidecar/wire"
)

var testToken = bytes.Repeat([]byte{7}, 32)

// scripted is a handler whose calls are functions of the test and are recorded.
type scripted struct {
	mu    sync.Mutex
	calls []string

	start  func(context.Context, wire.Start) error
	events func(wire.Events)
	stop   func(context.Context, wire.Stop) error
	status func() wire.Status
}

func (h *scripted) record(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, fmt.Sprintf(format, args...))
}

func (h *scripted) recorded() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.calls, " ")
}

func (h *scripted) Start(ctx context.Context, p Peer, m wire.Start) (wire.Started, error) {
	h.record("start:%s", m.CellID)
	if h.start != nil {
		if err := h.start(ctx, m); err != nil {
			return wire.Started{}, err
		}
	}
	return wire.Started{CellID: m.CellID, Collectors: []wire.CollectorStatus{{Name: fmt.Sprint(p)}}}, nil
}

func (h *scripted) Events(m wire.Events) {
	if h.events != nil {
		h.events(m)
	}
	h.record("events:%d", len(m.Strings))
}

func (h *scripted) Stop(ctx context.Context, m wire.Stop) (wire.Report, error) {
	h.record("stop:%s", m.CellID)
	if h.stop != nil {
		if err := h.stop(ctx, m); err != nil {
			return wire.Report{}, err
		}
	}
	return wire.Report{CellID: m.CellID, Losses: m.Losses}, nil
}

func (h *scripted) Cancel(m wire.Cancel) error {
	h.record("cancel:%s", m.CellID)
	return nil
}

func (h *scripted) Compare(_ context.Context, m wire.Compare) (wire.Comparison, error) {
	h.record("compare:%s", strings.Join(m.Before, ","))
	if len(m.After) == 0 {
		return wire.Comparison{}, &wire.Error{Code: wire.CodeComparison, Message: "No run after."}
	}
	return wire.Comparison{Text: strings.Join(m.After, ",")}, nil
}

func (h *scripted) Status() wire.Status {
	if h.status != nil {
		return h.status()
	}
	return wire.Status{SidecarVersion: "test"}
}

// running is a server of one test.
type running struct {
	dir      string
	path     string
	endpoint string
	end      context.CancelFunc
	// returned is closed when Serve has returned err.
	returned chan struct{}
	err      error
	log      *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func serve(t *testing.T, h Handler, change func(*Config)) *running {
	t.Helper()
	dir, err := os.MkdirTemp("", "inferscope-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &running{dir: dir, returned: make(chan struct{}), log: &syncBuffer{}}
	ready := make(chan string, 1)
	cfg := Config{
		Dir: dir, Token: testToken, ClientUID: uint32(os.Getuid()), Version: "test", Log: r.log,
		Ready: func(endpoint string, _ []wire.CollectorStatus) { ready <- endpoint },
	}
	if change != nil {
		change(&cfg)
	}
	var ctx context.Context
	ctx, r.end = context.WithCancel(context.Background())
	go func() {
		r.err = Serve(ctx, cfg, h)
		close(r.returned)
	}()
	select {
	case r.endpoint = <-ready:
	case <-r.returned:
		t.Fatalf("Serve: %v", r.err)
	}
	r.path = strings.TrimPrefix(r.endpoint, "ipc://")
	t.Cleanup(func() {
		r.end()
		<-r.returned
		if t.Failed() {
			t.Logf("the server's log:\n%s", r.log)
		}
	})
	return r
}

// client is a DEALER over the library's own ipc transport.
type client struct {
	t      *testing.T
	socket zmq4.Socket
	seq    uint64
}

func connect(t *testing.T, endpoint string) *client {
	t.Helper()
	c := &client{t: t, socket: zmq4.NewDealer(context.Background(), zmq4.WithDialerMaxRetries(0))}
	if err := c.socket.Dial(endpoint); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.socket.Close() })
	return c
}

func (c *client) send(m wire.Message, seq uint64) {
	c.t.Helper()
	frame, err := wire.Encode(m, seq)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.socket.Send(zmq4.NewMsg(frame)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) receive() (wire.Message, uint64) {
	c.t.Helper()
	msg, err := c.socket.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	e, err := wire.Open(msg.Frames[0])
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := e.Decode()
	if err != nil {
		c.t.Fatal(err)
	}
	return m, e.Seq
}

func (c *client) ask(m wire.Message) wire.Message {
	c.t.Helper()
	c.seq++
	c.send(m, c.seq)
	answer, seq := c.receive()
	if seq != c.seq {
		c.t.Fatalf("the answer to %d has the number %d", c.seq, seq)
	}
	return answer
}

func hello() wire.Hello { return wire.Hello{Version: wire.Version, Token: testToken} }

// open connects and says Hello.
func open(t *testing.T, endpoint string) *client {
	t.Helper()
	c := connect(t, endpoint)
	if answer, ok := c.ask(hello()).(*wire.Welcome); !ok || answer.Version != wire.Version {
		t.Fatalf("Hello was answered with %#v", answer)
	}
	return c
}

func wantError(t *testing.T, answer wire.Message, code string) *wire.Error {
	t.Helper()
	e, ok := answer.(*wire.Error)
	if !ok || e.Code != code {
		t.Fatalf("got %#v, want an Error with code %q", answer, code)
	}
	return e
}

// eventually waits for something that another goroutine or process brings about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
