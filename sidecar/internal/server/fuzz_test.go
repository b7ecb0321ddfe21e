package server

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// tape is a connection whose peer has said everything already and never reads.
type tape struct {
	*bytes.Reader
	written bytes.Buffer
}

func (t *tape) Write(p []byte) (int, error)      { return t.written.Write(p) }
func (t *tape) Close() error                     { return nil }
func (t *tape) LocalAddr() net.Addr              { return nil }
func (t *tape) RemoteAddr() net.Addr             { return nil }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

func newTape(data []byte, limit int64) (*conn, *tape) {
	t := &tape{Reader: bytes.NewReader(data)}
	l := &listener{all: map[string]*conn{}, gone: func(*conn) {}}
	c := &conn{Conn: t, listener: l, id: "client-1", in: bufio.NewReader(t)}
	c.frameCap.Store(limit)
	return c, t
}

// FuzzFrames: whatever a peer sends after the handshake, the library gets only
// whole messages of one part below the cap, and the peer only whole PONGs.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 3, 'a', 'b', 'c', flagLong, 0, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Add(append([]byte{flagCommand, 10, 4}, "PING\x00\x0actx"...))
	f.Add(frameHead(1 << 62))
	f.Add([]byte{flagMore, 0, flagMore, 0})
	f.Add([]byte{flagCommand | flagLong, 0, 0, 0, 0, 0, 0, 0, 6, 4, 'P', 'I', 'N', 'G', 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 64
		c, peer := newTape(data, limit)
		var library bytes.Buffer
		// Small reads, as the library's headers are.
		if _, err := io.CopyBuffer(struct{ io.Writer }{&library}, struct{ io.Reader }{c}, make([]byte, 7)); err == nil {
			t.Fatal("the end of a connection was no error")
		}
		for library.Len() > 0 {
			h, err := readHeader(&library)
			if err != nil {
				t.Fatalf("the library got a broken header: %v", err)
			}
			if h.command() || h.size > limit {
				t.Fatalf("the library got flags %#x, %d bytes", h.flags, h.size)
			}
			if uint64(library.Len()) < h.size {
				break // the peer closed in mid-frame
			}
			library.Next(int(h.size))
		}
		for peer.written.Len() > 0 {
			h, err := readHeader(&peer.written)
			if err != nil || !h.command() {
				t.Fatalf("the peer got flags %#x: %v", h.flags, err)
			}
			if name, _, ok := cutCommand(peer.written.Next(int(h.size))); !ok || name != "PONG" {
				t.Fatalf("the peer got %q", name)
			}
		}
	})
}

// FuzzHandshake: whatever a peer begins with is refused, or the library's own
// handshake accepts what is replayed to it, with our identity and not the peer's.
func FuzzHandshake(f *testing.F) {
	f.Add(append(greeting(), ready("DEALER", "mine")...))
	f.Add(append(greeting(), ready("ROUTER", "")...))
	f.Add(append(greeting(), flagCommand, 7, 5, 'R', 'E', 'A', 'D', 'Y', 200))
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, peer := newTape(data, wire.MaxHelloFrame)
		if c.handshake() != nil {
			return
		}
		sent := peer.written.Len()
		z, err := zmq4.Open(c, nullSecurity{}, zmq4.Router, nil, true, nil)
		if err != nil {
			t.Fatalf("the library refuses the replay: %v", err)
		}
		if got := z.Peer.Meta["Identity"]; got != "client-1" || z.Peer.Meta["Socket-Type"] != "DEALER" {
			t.Fatalf("the library sees %v", z.Peer.Meta)
		}
		if peer.written.Len() != sent {
			t.Fatal("the library's handshake reached the peer")
		}
	})
}

// FuzzWrites: however the library cuts its writes, the peer gets its messages.
func FuzzWrites(f *testing.F) {
	f.Add([]byte("abc"), uint8(1))
	f.Add(bytes.Repeat([]byte("long"), 200), uint8(100))
	f.Add([]byte{}, uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, step uint8) {
		c, peer := newTape(nil, wire.MaxFrame)
		c.skip = greetingSize
		message := append([]byte{0, byte(len(body))}, body...)
		if len(body) > 255 {
			message = append(frameHead(uint64(len(body))), body...)
		}
		stream := append(append(greeting(), ready("ROUTER", "x")...), message...)
		stream = append(stream, message...)
		for part := range chunks(stream, int(step)+1) {
			if n, err := c.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if want := append(append([]byte{}, message...), message...); !bytes.Equal(peer.written.Bytes(), want) {
			t.Fatalf("the peer got % x, want % x", peer.written.Bytes(), want)
		}
	})
}

func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			part := b[:min(n, len(b))]
			b = b[len(part):]
			if !yield(part) {
				return
			}
		}
	}
}

// nullSecurity is the library's default, which it does not export.
type nullSecurity struct{}

func (nullSecurity) Type() zmq4.SecurityType                       { return zmq4.NullSecurity }
func (nullSecurity) Encrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (nullSecurity) Decrypt(w io.Writer, data []byte) (int, error) { return w.Write(data) }
func (nullSecurity) Handshake(c *zmq4.Conn, _ bool) error {
	raw, err := c.Meta.MarshalZMTP()
	if err != nil {
		return err
	}
	if err := c.SendCmd(zmq4.CmdReady, raw); err != nil {
		return err
	}
	cmd, err := c.RecvCmd()
	if err != nil {
		return err
	}
	return c.Peer.Meta.UnmarshalZMTP(cmd.Body)
}
