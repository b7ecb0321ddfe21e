package server

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inferscope/inferscope/sidecar/wire"
)

const (
	// handshakeTimeout is how long a peer may take for greeting and READY.
	handshakeTimeout = time.Second
	// helloTimeout is how long it may then take to send Hello.
	helloTimeout = 2 * time.Second
	// writeTimeout is how long a peer may take to read one frame. A stopped client
	// (SIGSTOP, a debugger) is given this time before it is disconnected.
	writeTimeout = 30 * time.Second
	// pongTimeout is short: an honest peer reads, and the answer is a few bytes.
	pongTimeout = 100 * time.Millisecond
)

// Peer is the process at the other end, as the kernel says (SO_PEERCRED).
type Peer struct {
	// PID is the process id in the sidecar's pid namespace.
	PID int
	// UID is the effective user id of the process when it connected.
	UID uint32
	// Python is the interpreter's version, as the process gives it.
	Python string
}

// conn stands between the socket of one client and the ZeroMQ library. It makes
// the ZMTP handshake itself and replays a synthetic one to the library, lets
// only well-formed message frames below the cap through, and answers heartbeats.
//
// The library reads it from one goroutine and writes it from any.
type conn struct {
	net.Conn
	listener *listener
	// id is the routing identity that the library sees; the client's own is ignored,
	// so that no client can take another one's.
	id   string
	peer Peer

	// The reading side; only the reading goroutine uses it.
	in *bufio.Reader
	// pending is what the library reads next: the replayed handshake, then frame headers.
	pending []byte
	// left is the rest of the current frame's body.
	left uint64
	// frameCap is the largest frame that is let through, in bytes.
	frameCap atomic.Int64

	// The writing side.
	writing sync.Mutex
	// skip counts the bytes of the library's own greeting that are still to be swallowed.
	skip int
	// out collects one outgoing frame's header; body is the rest of its body.
	out     []byte
	body    uint64
	discard bool

	closing sync.Once
	// authenticated is set by the server after a successful Hello.
	authenticated atomic.Bool
}

// connError is what the library sees when a connection is over. It is a net.Error
// that is no timeout: the library forgets a connection on that and on a bare EOF
// only, and io.ReadFull would turn an EOF in mid-frame into something else.
type connError struct{ err error }

func (e *connError) Error() string   { return e.err.Error() }
func (e *connError) Unwrap() error   { return e.err }
func (e *connError) Timeout() bool   { return false }
func (e *connError) Temporary() bool { return false }

// handshake does greeting and READY with the peer within handshakeTimeout and
// prepares their replay to the library.
func (c *conn) handshake() error {
	if err := c.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	if _, err := c.Conn.Write(greeting()); err != nil {
		return err
	}
	var peer [greetingSize]byte
	if _, err := io.ReadFull(c.in, peer[:]); err != nil {
		return err
	}
	if err := checkGreeting(peer[:]); err != nil {
		return err
	}
	if _, err := c.Conn.Write(ready("ROUTER", "")); err != nil {
		return err
	}
	h, err := readHeader(c.in)
	if err != nil {
		return err
	}
	if !h.command() || h.size > maxReady {
		return fmt.Errorf("%w: want READY, got flags %#x and %d bytes", errZMTP, h.flags, h.size)
	}
	body := make([]byte, h.size)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return err
	}
	if err := checkReady(body); err != nil {
		return err
	}
	c.pending = append(greeting(), ready("DEALER", c.id)...)
	c.skip = greetingSize
	return c.SetDeadline(time.Now().Add(helloTimeout))
}

// authenticate lifts the limits of a connection that has not said Hello.
func (c *conn) authenticate() {
	c.authenticated.Store(true)
	c.frameCap.Store(wire.MaxFrame)
	_ = c.SetDeadline(time.Time{})
	c.listener.know(c)
}

// Read gives the library the replayed handshake and then whole message frames.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if err != nil {
		_ = c.Close()
		return n, &connError{err}
	}
	return n, nil
}

func (c *conn) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(c.pending) == 0 && c.left == 0 {
		if err := c.nextFrame(); err != nil {
			return 0, err
		}
	}
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	if uint64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.in.Read(p)
	c.left -= uint64(n)
	return n, err
}

// nextFrame reads the next header. Commands end here.
func (c *conn) nextFrame() error {
	h, err := readHeader(c.in)
	if err != nil {
		return err
	}
	if h.command() {
		body := make([]byte, h.size)
		if _, err := io.ReadFull(c.in, body); err != nil {
			return err
		}
		return c.command(body)
	}
	if limit := c.frameCap.Load(); h.size > uint64(limit) {
		return fmt.Errorf("a frame of %d bytes, at most %d are accepted", h.size, limit)
	}
	c.pending, c.left = h.raw[:h.n], h.size
	return nil
}

// command answers a heartbeat (rfc.zeromq.org/spec/37). libzmq asks for it; the
// ZeroMQ library would hand it to the application as a message.
func (c *conn) command(body []byte) error {
	name, data, ok := cutCommand(body)
	if !ok {
		return fmt.Errorf("%w: a command without a name", errZMTP)
	}
	if name != "PING" {
		return nil
	}
	if len(data) < 2 || len(data) > 2+16 {
		return fmt.Errorf("%w: a PING of %d bytes", errZMTP, len(data))
	}
	pong := append([]byte{flagCommand, 0, 4}, "PONG"...)
	pong = append(pong, data[2:]...) // without the time to live, with the context
	pong[1] = byte(len(pong) - 2)
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.body > 0 || len(c.out) > 0 {
		// In the middle of a frame: the frame itself shows that this side lives.
		return nil
	}
	return c.flush(pongTimeout, pong)
}

// Write takes the library's frames apart. Its greeting and its commands have been
// sent by handshake; a message's header waits for the first part of its body, so
// that a frame is one system call.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.write(p); err != nil {
		_ = c.Close()
		return 0, &connError{err}
	}
	return len(p), nil
}

func (c *conn) write(p []byte) error {
	if n := min(c.skip, len(p)); n > 0 {
		c.skip -= n
		p = p[n:]
	}
	for len(p) > 0 {
		if c.body == 0 {
			p = c.header(p)
			if c.body == 0 && len(c.out) > 0 && c.headerComplete() {
				if err := c.emit(nil); err != nil {
					return err
				}
			}
			continue
		}
		n := min(uint64(len(p)), c.body)
		c.body -= n
		if err := c.emit(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// header takes bytes of p until c.out is a complete frame header, and returns the rest.
func (c *conn) header(p []byte) []byte {
	for len(p) > 0 && !c.headerComplete() {
		c.out = append(c.out, p[0])
		p = p[1:]
	}
	if c.headerComplete() {
		c.discard = c.out[0]&flagCommand != 0
		if c.out[0]&flagLong != 0 {
			c.body = binary.BigEndian.Uint64(c.out[1:])
		} else {
			c.body = uint64(c.out[1])
		}
	}
	return p
}

func (c *conn) headerComplete() bool {
	if len(c.out) < shortHeader {
		return false
	}
	return c.out[0]&flagLong == 0 || len(c.out) == longHeader
}

// emit sends what is in c.out and the part of a body.
func (c *conn) emit(part []byte) error {
	header := c.out
	c.out = c.out[:0]
	if c.discard {
		return nil
	}
	return c.flush(writeTimeout, header, part)
}

func (c *conn) flush(timeout time.Duration, parts ...[]byte) error {
	if c.frameCap.Load() == wire.MaxFrame { // before Hello the deadline of the handshake stays
		if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
	}
	buffers := net.Buffers(parts)
	_, err := buffers.WriteTo(c.Conn)
	return err
}

// Close ends the connection. It may be called at any time, any number of times.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.closing.Do(func() {
		err = c.Conn.Close()
		c.listener.forget(c)
	})
	return err
}
