package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/transport"
	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// maxUnknown is how many connections may be open that have not said Hello. One
// more closes the oldest of them, so that a crowd of silent clients costs bounded
// memory and does not keep an honest one out.
const maxUnknown = 64

// listener accepts the connections of one socket file. Unlike the library's own
// it never waits for a client: each handshake has a goroutine and a deadline, and
// Accept returns only connections that have it behind them.
type listener struct {
	path string
	uid  uint32
	pid  int
	log  *eventLog
	unix *net.UnixListener

	done   chan struct{}
	opened chan *conn
	ids    atomic.Uint64

	mu sync.Mutex
	// unknown are the connections without Hello, oldest first.
	unknown []*conn
	all     map[string]*conn
	// gone is called without the lock when a connection is over.
	gone func(*conn)
}

// listen creates the socket file in dir, which must be a directory that only its
// owner, the caller, can enter. A peer must be of the user uid and, unless pid is
// 0, the process pid.
func listen(dir string, uid uint32, pid int, log *eventLog, gone func(*conn)) (*listener, error) {
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "socket")
	// A sidecar that was killed left it; nobody else can write here.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the stale socket: %w", err)
	}
	u, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = u.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	return &listener{
		path: path, uid: uid, pid: pid, log: log, unix: u, gone: gone,
		done: make(chan struct{}), opened: make(chan *conn), all: map[string]*conn{},
	}, nil
}

func checkPrivate(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("directory %s: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o077 != 0 || st.Uid != uint32(os.Getuid()) {
		return fmt.Errorf("directory %s must be a directory of user %d with mode 0700", dir, os.Getuid())
	}
	return nil
}

// run accepts until Close.
func (l *listener) run() {
	for {
		c, err := l.unix.AcceptUnix()
		if err != nil {
			select {
			case <-l.done:
				return
			case <-time.After(10 * time.Millisecond): // out of descriptors, most likely
				l.log.printf("accept: %v", err)
				continue
			}
		}
		l.admit(c)
	}
}

// admit checks who the peer is and starts its handshake.
func (l *listener) admit(u *net.UnixConn) {
	peer, err := peerOf(u)
	switch {
	case err != nil:
		l.log.printf("refused a connection: its peer is unknown: %v", err)
	case peer.UID != l.uid:
		l.log.printf("refused a connection of user %d, process %d", peer.UID, peer.PID)
	case l.pid != 0 && peer.PID != l.pid:
		l.log.printf("refused a connection of process %d; the client is process %d", peer.PID, l.pid)
	default:
		c := &conn{Conn: u, listener: l, peer: peer, in: bufio.NewReader(u)}
		c.id = fmt.Sprintf("client-%d", l.ids.Add(1))
		c.frameCap.Store(wire.MaxHelloFrame)
		l.add(c)
		go l.open(c)
		return
	}
	_ = u.Close()
}

func peerOf(u *net.UnixConn) (Peer, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return Peer{}, err
	}
	if credErr != nil {
		return Peer{}, credErr
	}
	return Peer{PID: int(cred.Pid), UID: cred.Uid}, nil
}

func (l *listener) open(c *conn) {
	if err := c.handshake(); err != nil {
		l.log.printf("%s (process %d): handshake: %v", c.id, c.peer.PID, err)
		_ = c.Close()
		return
	}
	select {
	case l.opened <- c:
	case <-l.done:
		_ = c.Close()
	}
}

func (l *listener) add(c *conn) {
	var oldest *conn
	l.mu.Lock()
	l.all[c.id] = c
	l.unknown = append(l.unknown, c)
	if len(l.unknown) > maxUnknown {
		oldest = l.unknown[0]
	}
	l.mu.Unlock()
	if oldest != nil {
		l.log.printf("%s (process %d): closed to make room", oldest.id, oldest.peer.PID)
		_ = oldest.Close()
	}
}

func (l *listener) know(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropUnknown(c)
}

func (l *listener) dropUnknown(c *conn) {
	for i, other := range l.unknown {
		if other == c {
			l.unknown = append(l.unknown[:i], l.unknown[i+1:]...)
			return
		}
	}
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	l.dropUnknown(c)
	delete(l.all, c.id)
	l.mu.Unlock()
	l.gone(c)
}

// byID returns nil when the connection is over.
func (l *listener) byID(id string) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[id]
}

// Accept implements net.Listener for the library.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.opened:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.unix.Addr() }

// Close implements net.Listener. It closes every connection and removes the
// socket file.
func (l *listener) Close() error {
	l.mu.Lock()
	select {
	case <-l.done:
		l.mu.Unlock()
		return nil
	default:
	}
	close(l.done)
	open := make([]*conn, 0, len(l.all))
	for _, c := range l.all {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	return l.unix.Close()
}

// scheme is the name of our transport in the library's registry. On the other
// side it is plain ipc.
const scheme = "inferscope-ipc"

// handover hands listeners to the library, which only passes an address.
type handover struct{ byPath sync.Map }

var listeners = sync.OnceValue(func() *handover {
	h := &handover{}
	if err := zmq4.RegisterTransport(scheme, h); err != nil {
		panic(err) // the name is ours alone
	}
	return h
})

// Listen implements transport.Transport.
func (h *handover) Listen(_ context.Context, addr string) (net.Listener, error) {
	l, ok := h.byPath.LoadAndDelete(addr)
	if !ok {
		return nil, fmt.Errorf("no listener was made for %s", addr)
	}
	return l.(*listener), nil
}

// Dial implements transport.Transport; the sidecar never dials.
func (h *handover) Dial(context.Context, transport.Dialer, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

// Addr implements transport.Transport.
func (h *handover) Addr(endpoint string) (string, error) { return endpoint, nil }
