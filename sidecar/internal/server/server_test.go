package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// remembering is told when reports are sent.
type remembering struct {
	scripted
	answered chan string
}

func (h *remembering) Answered(cellID string) { h.answered <- cellID }

// What need not delay a report begins when it has been sent, and only then.
func TestTheHandlerIsToldThatAReportWasSent(t *testing.T) {
	h := &remembering{answered: make(chan string, 2)}
	c := open(t, serve(t, h, nil).endpoint)
	c.ask(wire.Start{CellID: "a"})
	if _, ok := c.ask(wire.Stop{CellID: "a"}).(*wire.Report); !ok {
		t.Fatal("no report")
	}
	eventually(t, "the handler is told", func() bool { return len(h.answered) > 0 })
	if cell := <-h.answered; cell != "a" {
		t.Errorf("told of the cell %q", cell)
	}
}

func TestACellFromStartToReport(t *testing.T) {
	h := &scripted{}
	c := open(t, serve(t, h, nil).endpoint)
	started := c.ask(wire.Start{CellID: "a"}).(*wire.Started)
	if want := fmt.Sprint(Peer{PID: os.Getpid(), UID: uint32(os.Getuid())}); started.Collectors[0].Name != want {
		t.Errorf("the handler saw the peer %s, want %s", started.Collectors[0].Name, want)
	}
	for i := range 3 {
		c.send(wire.Events{CellID: "a", Strings: make([]string, i)}, 0)
	}
	if report := c.ask(wire.Stop{CellID: "a"}).(*wire.Report); report.CellID != "a" || len(report.Losses) != 0 {
		t.Errorf("report %+v", report)
	}
	if want := "start:a events:0 events:1 events:2 stop:a"; h.recorded() != want {
		t.Errorf("calls %q, want %q", h.recorded(), want)
	}
}

func TestHelloComesFirst(t *testing.T) {
	h := &scripted{}
	r := serve(t, h, nil)
	for _, m := range []wire.Message{wire.Start{CellID: "a"}, wire.StatusRequest{}, wire.Shutdown{}, wire.Events{}} {
		c := connect(t, r.endpoint)
		wantError(t, c.ask(m), wire.CodeHello)
	}
	if h.recorded() != "" {
		t.Errorf("the handler was called: %s", h.recorded())
	}
	open(t, r.endpoint)
}

func TestWrongTokensAreRefused(t *testing.T) {
	r := serve(t, &scripted{}, nil)
	for _, token := range [][]byte{nil, {7}, bytes.Repeat([]byte{7}, 31), bytes.Repeat([]byte{7}, 33), bytes.Repeat([]byte{8}, 32)} {
		c := connect(t, r.endpoint)
		wantError(t, c.ask(wire.Hello{Version: wire.Version, Token: token}), wire.CodeToken)
	}
	open(t, r.endpoint)
}

func TestAnotherVersionIsRefusedWithAHint(t *testing.T) {
	r := serve(t, &scripted{}, nil)
	c := connect(t, r.endpoint)
	frame, err := wire.Encode(hello(), 1)
	if err != nil {
		t.Fatal(err)
	}
	frame[1] = wire.Version + 1
	if err := c.socket.Send(zmq4.NewMsg(frame)); err != nil {
		t.Fatal(err)
	}
	answer, _ := c.receive()
	if e := wantError(t, answer, wire.CodeVersion); e.Hint == "" {
		t.Error("no hint")
	}
	c = connect(t, r.endpoint)
	wantError(t, c.ask(wire.Hello{Version: wire.Version + 1, Token: testToken}), wire.CodeVersion)
}

func TestHandlerErrorsReachTheClient(t *testing.T) {
	h := &scripted{start: func(_ context.Context, m wire.Start) error {
		switch m.CellID {
		case "told":
			return fmt.Errorf("step: %w", &wire.Error{Code: wire.CodeBusy, Message: "Busy.", Hint: "Wait."})
		case "panic":
			panic("in the handler")
		}
		return errors.New("plain")
	}}
	r := serve(t, h, nil)
	c := open(t, r.endpoint)
	if e := wantError(t, c.ask(wire.Start{CellID: "told"}), wire.CodeBusy); e.Hint != "Wait." {
		t.Errorf("hint %q", e.Hint)
	}
	wantError(t, c.ask(wire.Start{CellID: "plain"}), wire.CodeInternal)
	wantError(t, c.ask(wire.Start{CellID: "panic"}), wire.CodeInternal)
	if !strings.Contains(r.log.String(), "in the handler") {
		t.Error("the panic is not in the log")
	}
	if _, ok := c.ask(wire.StatusRequest{}).(*wire.Status); !ok {
		t.Error("no Status after a panic")
	}
}

func TestCompareIsAnswered(t *testing.T) {
	h := &scripted{}
	c := open(t, serve(t, h, nil).endpoint)
	if answer, ok := c.ask(wire.Compare{Before: []string{"a"}, After: []string{"b", "c"}}).(*wire.Comparison); !ok || answer.Text != "b,c" {
		t.Errorf("%+v", answer)
	}
	wantError(t, c.ask(wire.Compare{}), wire.CodeComparison)
	if calls := h.recorded(); !strings.HasPrefix(calls, "compare:a compare:") {
		t.Errorf("%q", calls)
	}
}

func TestMalformedRequestsAreAnswered(t *testing.T) {
	c := open(t, serve(t, &scripted{}, nil).endpoint)
	wantError(t, c.ask(wire.Bye{}), wire.CodeMalformed)
	frame, err := wire.Encode(wire.Cancel{CellID: "a"}, 9)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.socket.Send(zmq4.NewMsg(frame[:len(frame)-1])); err != nil {
		t.Fatal(err)
	}
	answer, seq := c.receive()
	wantError(t, answer, wire.CodeMalformed)
	if seq != 9 {
		t.Errorf("answered %d, want 9", seq)
	}
}

// TestEventsThatDoNotFitBecomeALoss: the handler stands still; the memory of the
// queue is bounded, and what was dropped is in the Stop.
func TestEventsThatDoNotFitBecomeALoss(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 1)
	var handled atomic.Int64
	h := &scripted{events: func(m wire.Events) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
		handled.Add(int64(len(m.Lines[0].Time) / 8))
	}}
	c := open(t, serve(t, h, nil).endpoint)
	c.ask(wire.Start{CellID: "a"})
	const messages, rowsEach = 40, 1 << 18 // 40 x 2 MiB > maxQueuedBytes
	batch := wire.Events{CellID: "a", Lines: []wire.LineColumns{{Time: make([]byte, 8*rowsEach)}}}
	for range messages {
		c.send(batch, 0)
	}
	<-entered
	// The answer shows that the server has received everything before it.
	if _, ok := c.ask(wire.StatusRequest{}).(*wire.Status); !ok {
		t.Fatal("no Status while the handler stands still")
	}
	close(release)
	report := c.ask(wire.Stop{CellID: "a"}).(*wire.Report)
	if len(report.Losses) != 1 {
		t.Fatalf("losses %+v, want one", report.Losses)
	}
	if lost := report.Losses[0].Count; lost == 0 || lost+handled.Load() != messages*rowsEach {
		t.Errorf("handled %d and lost %d rows of %d", handled.Load(), lost, messages*rowsEach)
	}
}

func TestCancelEndsARunningStop(t *testing.T) {
	entered := make(chan struct{})
	h := &scripted{stop: func(ctx context.Context, _ wire.Stop) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}}
	c := open(t, serve(t, h, nil).endpoint)
	c.ask(wire.Start{CellID: "a"})
	c.send(wire.Stop{CellID: "a"}, 100)
	<-entered
	c.send(wire.Cancel{CellID: "a"}, 101)
	answers := map[uint64]wire.Message{}
	for range 2 {
		m, seq := c.receive()
		answers[seq] = m
	}
	wantError(t, answers[100], wire.CodeInternal)
	if _, ok := answers[101].(*wire.Cancelled); !ok {
		t.Errorf("Cancel was answered with %#v", answers[101])
	}
}

func TestTheCellOfALostClientIsCancelled(t *testing.T) {
	h := &scripted{}
	var abandoned atomic.Int32
	r := serve(t, h, func(c *Config) { c.Abandoned = func() { abandoned.Add(1) } })
	c := open(t, r.endpoint)
	c.ask(wire.Start{CellID: "a"})
	c.socket.Close()
	eventually(t, "Cancel", func() bool { return h.recorded() == "start:a cancel:a" })
	if n := abandoned.Load(); n != 1 {
		t.Errorf("told %d times", n)
	}

	// A new Hello takes the place of the old connection, also while that one is open.
	c = open(t, r.endpoint)
	c.ask(wire.Start{CellID: "b"})
	open(t, r.endpoint)
	eventually(t, "Cancel", func() bool { return h.recorded() == "start:a cancel:a start:b cancel:b" })
}

func TestShutdownAndIdleEndServing(t *testing.T) {
	r := serve(t, &scripted{}, nil)
	if _, ok := open(t, r.endpoint).ask(wire.Shutdown{}).(*wire.Bye); !ok {
		t.Error("Shutdown was not answered with Bye")
	}
	<-r.returned
	if r.err != nil {
		t.Error(r.err)
	}
	if _, err := os.Lstat(r.path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}

	r = serve(t, &scripted{}, func(c *Config) { c.IdleExit = func() time.Duration { return 50 * time.Millisecond } })
	<-r.returned
}

// The idle time that a cell's settings bring counts when the cell has ended.
func TestACellChangesTheIdleTime(t *testing.T) {
	var idle atomic.Int64 // for ever at first
	h := &scripted{start: func(context.Context, wire.Start) error {
		idle.Store(int64(50 * time.Millisecond))
		return nil
	}}
	r := serve(t, h, func(c *Config) { c.IdleExit = func() time.Duration { return time.Duration(idle.Load()) } })
	c := open(t, r.endpoint)
	c.ask(wire.Start{CellID: "a"})
	c.ask(wire.Stop{CellID: "a"})
	<-r.returned
}

func TestAnActiveCellIsNotIdle(t *testing.T) {
	release := make(chan struct{})
	h := &scripted{start: func(context.Context, wire.Start) error { return nil }}
	r := serve(t, h, func(c *Config) { c.IdleExit = func() time.Duration { return 100 * time.Millisecond } })
	c := open(t, r.endpoint)
	c.ask(wire.Start{CellID: "a"})
	go func() { // longer than the idle time, whatever the machine's load
		defer close(release)
		time.Sleep(400 * time.Millisecond)
	}()
	select {
	case <-r.returned:
		t.Fatal("the server left in the middle of a cell")
	case <-release:
	}
	c.ask(wire.Stop{CellID: "a"})
	<-r.returned
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	dir, err := os.MkdirTemp("", "inferscope-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/socket", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	r := serve(t, &scripted{}, func(c *Config) { c.Dir = dir })
	info, err := os.Stat(r.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	open(t, r.endpoint)
}

func TestADirectoryThatOthersCanEnterIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Serve(context.Background(), Config{Dir: dir, Token: testToken, Log: &syncBuffer{}}, &scripted{}); err == nil {
		t.Error("served")
	}
	if err := Serve(context.Background(), Config{Dir: dir, Token: testToken[:8], Log: &syncBuffer{}}, &scripted{}); err == nil {
		t.Error("served with a short token")
	}
}

// TestTheEndLeavesNoGoroutine: a server that has ended holds nothing.
func TestTheEndLeavesNoGoroutine(t *testing.T) {
	base := runtime.NumGoroutine()
	r := serve(t, &scripted{}, nil)
	c := open(t, r.endpoint)
	dial(t, r.path).shake()
	dial(t, r.path)
	c.ask(wire.Start{CellID: "a"})
	r.end()
	<-r.returned
	c.socket.Close()
	eventually(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= base })
}

// TestASlowStatusDelaysNobody: connecting does not wait for the collectors.
func TestASlowStatusDelaysNobody(t *testing.T) {
	release := make(chan struct{})
	h := &scripted{status: func() wire.Status {
		<-release
		return wire.Status{SidecarVersion: "late"}
	}}
	c := open(t, serve(t, h, nil).endpoint)
	c.send(wire.StatusRequest{}, 100)
	if _, ok := c.ask(wire.Start{CellID: "a"}).(*wire.Started); !ok {
		t.Error("Start was not answered")
	}
	close(release)
	if m, seq := c.receive(); seq != 100 || m.(*wire.Status).SidecarVersion != "late" {
		t.Errorf("got %#v as the answer to %d", m, seq)
	}
}
