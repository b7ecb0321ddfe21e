// Package server is the sidecar's end of the seam with the profiled process: the
// socket, the handshake, the order of messages, and the end of the sidecar's life
// when nobody needs it. What the messages do is the Handler's.
package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// Handler does what the client asks for. Start, Events, Stop, Cancel and Compare are
// called one at a time, in the order in which the client sent them; Status may be
// called at any time, also while one of the others runs. A panic becomes an Error
// with the code "internal", and serving goes on.
//
// An error that is, or wraps, a *wire.Error reaches the client as it is; another
// one with the code "internal".
type Handler interface {
	// Start begins collecting. ctx ends when the client cancels the cell or is gone.
	Start(ctx context.Context, peer Peer, m wire.Start) (wire.Started, error)
	// Events takes a batch; the handler may keep its slices.
	Events(m wire.Events)
	// Stop ends the collection and makes the report. What the server itself had to
	// drop has been added to m.Losses. ctx as for Start.
	Stop(ctx context.Context, m wire.Stop) (wire.Report, error)
	// Cancel ends a collection without a report. It is also called for the cell
	// of a client that is gone.
	Cancel(m wire.Cancel) error
	// Compare compares kept runs. ctx ends when the client is gone.
	Compare(ctx context.Context, m wire.Compare) (wire.Comparison, error)
	// Status is asked for the first time before the sidecar is ready.
	Status() wire.Status
}

// Idler is a Handler that says how long the sidecar may live without a message.
type Idler interface {
	// IdleExit is that time, which a cell may change; 0 means for ever. It may be called at any time.
	IdleExit() time.Duration
}

// Answered is a Handler that wants to know when a cell's report is on its way: what
// need not delay the report is done then. It must return soon.
type Answered interface{ Answered(cellID string) }

// Config says how to serve.
type Config struct {
	// Dir is the directory for the socket; it must be the caller's with mode 0700.
	Dir string
	// Token is what a client must know.
	Token []byte
	// ClientUID is the user whose processes may connect.
	ClientUID uint32
	// ClientPID is the one process that may connect; 0 allows any of the user's.
	ClientPID int
	// Version is the sidecar's version, for Welcome.
	Version string
	// IdleExit ends serving when no message came for so long and no cell is active; 0
	// means never. It is asked again after each cell. Nil means never.
	IdleExit func() time.Duration
	// Abandoned is called when the client is gone inside a cell, before the handler's Cancel; may be nil.
	Abandoned func()
	// Log takes the server's log lines.
	Log io.Writer
	// Ready is called once, when clients can connect, with the ZeroMQ endpoint and
	// what the handler knows of its collectors within statusPatience.
	Ready func(endpoint string, collectors []wire.CollectorStatus)
}

type server struct {
	cfg      Config
	handler  Handler
	log      *eventLog
	listener *listener
	socket   zmq4.Socket
	queue    *queue
	// end stops serving; the cause is logged.
	end context.CancelCauseFunc

	// cellEnded wakes who waits for the idle time to pass.
	cellEnded chan struct{}

	// client is the connection that said Hello last; only receive uses it.
	client *conn
	// lastMessage is when the client was last heard of, unix ns.
	lastMessage atomic.Int64

	mu sync.Mutex
	// active is the cell that Start has started, owner the connection it came over.
	active string
	owner  *conn
	// starting is the last cell of a Start that was received; dropped counts the
	// rows of its Events that did not fit, malformed its Events that could not be read.
	starting  string
	dropped   int64
	malformed int64
}

var (
	errShutdown = errors.New("the client asked for it")
	errIdle     = errors.New("no message for the idle time")
)

// Serve serves until the client asks for the end, the idle time is over or ctx
// ends, and then returns nil. An error means that serving could not begin. When
// it returns, the handler is no longer called, unless a call ignored the end of
// its context for more than a second.
func Serve(ctx context.Context, cfg Config, handler Handler) error {
	if len(cfg.Token) < 16 {
		return errors.New("server: the token must have at least 16 bytes")
	}
	s := &server{cfg: cfg, handler: handler, log: newEventLog(cfg.Log), queue: newQueue(),
		cellEnded: make(chan struct{}, 1)}
	ctx, s.end = context.WithCancelCause(ctx)
	defer s.end(nil)

	l, err := listen(cfg.Dir, cfg.ClientUID, cfg.ClientPID, s.log, s.gone)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	defer l.Close()
	s.listener = l
	listeners().byPath.Store(l.path, l)
	s.socket = zmq4.NewRouter(ctx, zmq4.WithLogger(log.New(s.log, "", 0)), zmq4.WithTimeout(2*writeTimeout))
	if err := s.socket.Listen(scheme + "://" + l.path); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	defer s.socket.Close()

	s.lastMessage.Store(time.Now().UnixNano())
	go l.run()
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		s.work(ctx)
	}()
	go s.watchIdle(ctx)
	if cfg.Ready != nil {
		cfg.Ready("ipc://"+l.path, s.collectorsSoon())
	}
	s.receive(ctx)
	s.log.printf("the end: %v", context.Cause(ctx))
	select {
	case <-worked:
	case <-time.After(time.Second):
		s.log.printf("the handler did not come back")
	}
	return nil
}

func (s *server) watchIdle(ctx context.Context) {
	if s.cfg.IdleExit == nil {
		return
	}
	for {
		s.mu.Lock()
		busy := s.active != ""
		s.mu.Unlock()
		var wait <-chan time.Time // without one: until a cell ends
		if allowed := s.cfg.IdleExit(); allowed > 0 {
			left := allowed - time.Since(time.Unix(0, s.lastMessage.Load()))
			if left <= 0 && !busy {
				s.end(errIdle)
				return
			}
			wait = time.After(max(left, min(allowed, time.Second)))
		}
		select {
		case <-ctx.Done():
			return
		case <-wait:
		case <-s.cellEnded:
		}
	}
}

// receive takes messages off the socket. It never waits for the handler.
func (s *server) receive(ctx context.Context) {
	for {
		msg, err := s.socket.Recv()
		if ctx.Err() != nil {
			return
		}
		if err != nil || len(msg.Frames) != 2 {
			continue // the connection has its own error
		}
		if c := s.listener.byID(string(msg.Frames[0])); c != nil {
			s.message(ctx, c, msg.Frames[1])
		}
	}
}

// message handles one frame of a client.
func (s *server) message(ctx context.Context, c *conn, frame []byte) {
	e, err := wire.Open(frame)
	if err != nil {
		s.refuse(c, e.Seq, err)
		return
	}
	if !c.authenticated.Load() {
		s.hello(c, e)
		return
	}
	s.lastMessage.Store(time.Now().UnixNano())
	if e.Type == wire.Name(wire.Events{}) {
		if !s.queue.push(job{conn: c, events: &e}) {
			s.dropEvents(e)
		}
		return
	}
	m, err := e.Decode()
	if err != nil {
		s.refuse(c, e.Seq, err)
		return
	}
	j := job{conn: c, seq: e.Seq, message: m}
	switch m := m.(type) {
	case *wire.Start:
		j.cell = m.CellID
		s.mu.Lock()
		s.starting, s.dropped, s.malformed = m.CellID, 0, 0
		s.mu.Unlock()
	case *wire.Stop:
		j.cell = m.CellID
	case *wire.Cancel:
		s.queue.cancel(func(other job) bool { return other.cell == m.CellID })
		j.cell = m.CellID
	case *wire.Compare: // in its turn, as a cell is
	case *wire.StatusRequest:
		go s.status(c, e.Seq) // beside whatever the handler is doing
		return
	case *wire.Shutdown:
		s.reply(c, e.Seq, wire.Bye{})
		s.end(errShutdown)
		return
	default:
		s.refuse(c, e.Seq, fmt.Errorf("%w: %s is not for the sidecar", wire.ErrMalformed, e.Type))
		return
	}
	j = s.queue.request(ctx, j)
	if !s.queue.push(j) {
		s.queue.done(j)
		s.reply(c, e.Seq, wire.Error{Code: wire.CodeBusy, Message: "The sidecar has too many requests waiting."})
	}
}

// refuse answers what is no message. A client that has not said Hello loses its
// connection.
func (s *server) refuse(c *conn, seq uint64, err error) {
	s.log.printf("%s (process %d): refused: %v", c.id, c.peer.PID, err)
	answer := wire.Error{Code: wire.CodeMalformed, Message: sentence(err)}
	var version *wire.VersionError
	if errors.As(err, &version) {
		answer = wire.Error{
			Code: wire.CodeVersion,
			Message: fmt.Sprintf("The sidecar %s speaks version %d of the protocol, the extension version %d.",
				s.cfg.Version, wire.Version, version.Got),
			Hint: "Reinstall inferscope-profiler so that both come from one release, check INFERSCOPE_SIDECAR, and restart the kernel.",
		}
	}
	s.reply(c, seq, answer)
	if !c.authenticated.Load() {
		_ = c.Close()
	}
}

func sentence(err error) string { return "The sidecar could not read a message: " + err.Error() + "." }

// hello handles the first message of a connection.
func (s *server) hello(c *conn, e wire.Envelope) {
	if e.Type != wire.Name(wire.Hello{}) {
		s.log.printf("%s (process %d): %.40q before Hello", c.id, c.peer.PID, e.Type)
		// Not closed: a client whose connection was renewed under it says Hello next, and
		// that must not go into a connection that is going down. The limit for Hello holds.
		s.reply(c, e.Seq, wire.Error{Code: wire.CodeHello, Message: "The connection was not opened with Hello."})
		return
	}
	m, err := e.Decode()
	if err != nil {
		s.refuse(c, e.Seq, err)
		return
	}
	h := m.(*wire.Hello)
	if h.Version != wire.Version {
		s.refuse(c, e.Seq, &wire.VersionError{Got: uint64(h.Version)})
		return
	}
	if subtle.ConstantTimeCompare(h.Token, s.cfg.Token) != 1 {
		s.log.printf("%s (process %d): wrong token", c.id, c.peer.PID)
		s.reply(c, e.Seq, wire.Error{
			Code: wire.CodeToken, Message: "The sidecar does not know this client.",
			Hint: "Restart the kernel; a sidecar serves only the process that started it.",
		})
		_ = c.Close()
		return
	}
	c.peer.Python = h.Python
	c.authenticate()
	s.lastMessage.Store(time.Now().UnixNano())
	if old := s.client; old != nil && old != c {
		_ = old.Close() // the client has one connection: it gave that one up
	}
	s.client = c
	go func() {
		s.reply(c, e.Seq, wire.Welcome{
			Version: wire.Version, SidecarVersion: s.cfg.Version, PID: os.Getpid(),
			Collectors: s.collectorsSoon(),
		})
	}()
}

// reply sends an answer; a client that is gone does not get it.
func (s *server) reply(c *conn, seq uint64, m wire.Message) {
	frame, err := wire.Encode(m, seq)
	if err != nil {
		s.log.printf("%v", err)
		frame, err = wire.Encode(wire.Error{Code: wire.CodeInternal, Message: "The sidecar could not send its answer: " + err.Error() + "."}, seq)
		if err != nil {
			return
		}
	}
	if err := s.socket.Send(zmq4.NewMsgFrom([]byte(c.id), frame)); err != nil {
		s.log.printf("%s: send %s: %v", c.id, wire.Name(m), err)
	}
}

// gone is called when a connection is over.
func (s *server) gone(c *conn) {
	if !c.authenticated.Load() {
		return
	}
	s.queue.cancel(func(j job) bool { return j.conn == c })
	s.queue.push(job{conn: c})
}
