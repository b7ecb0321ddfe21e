package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// raw is a client that speaks for itself.
type raw struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, path string) *raw {
	t.Helper()
	var c net.Conn
	eventually(t, "a place in the listen queue", func() bool {
		var err error
		c, err = net.Dial("unix", path)
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(func() { c.Close() })
	return &raw{t: t, Conn: c, in: bufio.NewReader(c)}
}

// put writes and does not mind that the server has closed the connection.
func (r *raw) put(b ...byte) *raw {
	_, _ = r.Write(b)
	return r
}

// shake does an honest handshake.
func (r *raw) shake() *raw {
	r.t.Helper()
	r.put(greeting()...)
	if _, err := io.ReadFull(r.in, make([]byte, greetingSize)); err != nil {
		r.t.Fatal(err)
	}
	r.put(ready("DEALER", "")...)
	h, err := readHeader(r.in)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := io.ReadFull(r.in, make([]byte, h.size)); err != nil {
		r.t.Fatal(err)
	}
	return r
}

// frame sends one message.
func (r *raw) frame(body []byte) *raw {
	return r.put(append(frameHead(uint64(len(body))), body...)...)
}

func frameHead(size uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{flagLong}, size)
}

// answer reads one message.
func (r *raw) answer() wire.Message {
	r.t.Helper()
	h, err := readHeader(r.in)
	if err != nil {
		r.t.Fatal(err)
	}
	body := make([]byte, h.size)
	if _, err := io.ReadFull(r.in, body); err != nil {
		r.t.Fatal(err)
	}
	e, err := wire.Open(body)
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := e.Decode()
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// authenticate says Hello.
func (r *raw) authenticate() *raw {
	r.t.Helper()
	frame, err := wire.Encode(hello(), 1)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, ok := r.frame(frame).answer().(*wire.Welcome); !ok {
		r.t.Fatal("no Welcome")
	}
	return r
}

// closed waits until the server has closed the connection.
func (r *raw) closed() {
	r.t.Helper()
	if _, err := io.Copy(io.Discard, r.in); err != nil && !strings.Contains(err.Error(), "reset") {
		r.t.Fatal(err)
	}
}

// TestHostileClients: each is survived, each loses its connection, and a good
// client is served beside it and after it.
func TestHostileClients(t *testing.T) {
	bad := func(change func(g []byte)) []byte {
		g := greeting()
		change(g)
		return g
	}
	command := func(name string, data ...byte) []byte {
		body := append(append([]byte{byte(len(name))}, name...), data...)
		return append([]byte{flagCommand, byte(len(body))}, body...)
	}
	property := func(key string, size uint32) []byte {
		return binary.BigEndian.AppendUint32(append([]byte{byte(len(key))}, key...), size)
	}
	cases := map[string]func(r *raw){
		"silent":                          func(*raw) {},
		"garbage instead of a greeting":   func(r *raw) { r.put(bytes.Repeat([]byte("GET / "), 100)...) },
		"half a greeting":                 func(r *raw) { r.put(greeting()[:30]...) },
		"greeting of ZMTP 2":              func(r *raw) { r.put(bad(func(g []byte) { g[10] = 1 })...) },
		"greeting for CURVE":              func(r *raw) { r.put(bad(func(g []byte) { copy(g[12:], "CURVE") })...) },
		"nothing after the greeting":      func(r *raw) { r.put(greeting()...) },
		"exabyte frame before READY":      func(r *raw) { r.put(append(greeting(), frameHead(1<<62)...)...) },
		"largest frame before READY":      func(r *raw) { r.put(append(greeting(), frameHead(1<<64-1)...)...) },
		"exabyte command before READY":    func(r *raw) { b := frameHead(1 << 62); b[0] |= flagCommand; r.put(append(greeting(), b...)...) },
		"a message before READY":          func(r *raw) { r.put(append(greeting(), 0, 1, 'x')...) },
		"READY that is none":              func(r *raw) { r.put(append(greeting(), command("HELLO")...)...) },
		"READY ends in a name":            func(r *raw) { r.put(append(greeting(), command("READY", 200, 'a')...)...) },
		"READY ends in a length":          func(r *raw) { r.put(append(greeting(), command("READY", 1, 'a', 0)...)...) },
		"READY with a huge property":      func(r *raw) { r.put(append(greeting(), command("READY", property("Identity", 1<<31)...)...)...) },
		"empty command as READY":          func(r *raw) { r.put(append(greeting(), flagCommand, 0)...) },
		"SUB socket":                      func(r *raw) { r.put(append(greeting(), ready("SUB", "")...)...) },
		"nothing after the handshake":     func(r *raw) { r.shake() },
		"half a frame":                    func(r *raw) { r.shake().put(append(frameHead(1000), "half"...)...) },
		"half a header":                   func(r *raw) { r.shake().put(flagLong, 0, 0) },
		"exabyte frame":                   func(r *raw) { r.shake().put(frameHead(1 << 62)...) },
		"largest frame":                   func(r *raw) { r.shake().put(frameHead(1<<64 - 1)...) },
		"a frame just too large":          func(r *raw) { r.shake().put(frameHead(wire.MaxHelloFrame + 1)...) },
		"parts without end":               func(r *raw) { r.shake().put(bytes.Repeat([]byte{flagMore, 0}, 10000)...) },
		"reserved flags":                  func(r *raw) { r.shake().put(0x80, 1, 'x') },
		"a command without a name":        func(r *raw) { r.shake().put(flagCommand, 0) },
		"PING with a long context":        func(r *raw) { r.shake().put(command("PING", make([]byte, 100)...)...) },
		"PINGs without Hello":             func(r *raw) { r.shake().put(bytes.Repeat(command("PING", 0, 1), 10)...) },
		"empty message":                   func(r *raw) { r.shake().frame(nil) },
		"gigabyte array in five bytes":    func(r *raw) { r.shake().frame([]byte{0xdd, 0x7f, 0xff, 0xff, 0xff}) },
		"gigabyte string in five bytes":   func(r *raw) { r.shake().frame([]byte{0xdb, 0x7f, 0xff, 0xff, 0xff}) },
		"thousands of arrays deep":        func(r *raw) { r.shake().frame(bytes.Repeat([]byte{0x91}, wire.MaxHelloFrame)) },
		"thousands of maps deep":          func(r *raw) { r.shake().frame(bytes.Repeat([]byte{0x81, 0xa1, 'a'}, 1000)) },
		"exabyte frame, known":            func(r *raw) { r.shake().authenticate().put(frameHead(1 << 62)...) },
		"a frame just too large, known":   func(r *raw) { r.shake().authenticate().put(frameHead(wire.MaxFrame + 1)...) },
		"parts without end, known":        func(r *raw) { r.shake().authenticate().put(bytes.Repeat([]byte{flagMore, 0}, 10000)...) },
		"identity of a good client":       func(r *raw) { r.put(append(greeting(), ready("DEALER", "client-1")...)...) },
		"closes in the middle of a frame": func(r *raw) { r.shake().put(frameHead(1000)...); r.Close() },
		"closes in the middle, known":     func(r *raw) { r.shake().authenticate().put(frameHead(60 << 20)...); r.Close() },
	}
	for name, attack := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := serve(t, &scripted{}, nil)
			good := open(t, run.endpoint)
			r := dial(t, run.path)
			attack(r)
			if !strings.HasSuffix(name, ", known") { // such a one takes the good one's place
				if _, ok := good.ask(wire.StatusRequest{}).(*wire.Status); !ok {
					t.Error("a good client is not served beside it")
				}
			}
			if !strings.HasPrefix(name, "closes") {
				r.closed()
			}
			if _, ok := open(t, run.endpoint).ask(wire.StatusRequest{}).(*wire.Status); !ok {
				t.Error("a good client is not served after it")
			}
		})
	}
}

// TestTenThousandConnections: all are accepted, few are kept, memory and
// goroutines stay bounded, and a good client is served while they are there.
func TestTenThousandConnections(t *testing.T) {
	const crowd = 10000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < crowd+500 {
		t.Skipf("this user may open %d files; the test needs %d", limit.Max, crowd+500)
	}
	run := serve(t, &scripted{}, nil)
	good := open(t, run.endpoint)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	base := runtime.NumGoroutine()
	for i := range crowd {
		r := dial(t, run.path)
		if i%3 == 0 {
			r.put(greeting()...)
		}
		if i%1000 == 0 {
			if _, ok := good.ask(wire.StatusRequest{}).(*wire.Status); !ok {
				t.Fatal("the good client is not served")
			}
		}
	}
	eventually(t, "few of the crowd are kept", func() bool { return runtime.NumGoroutine()-base <= 4*maxUnknown })
	runtime.GC()
	runtime.ReadMemStats(&after)
	// The client's side of 10,000 connections is in this process, too.
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 96<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	open(t, run.endpoint)
}

// TestAnotherUserIsRefused runs a client as another user against a socket that
// the file modes would let it reach.
func TestAnotherUserIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skipf("user %d cannot become another one", os.Getuid())
	}
	run := serve(t, &scripted{}, nil)
	binary := buildStrangerBinary(t, run.dir)
	for path, mode := range map[string]os.FileMode{run.dir: 0o755, run.path: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, uid := range []uint32{0, 65534} {
		cmd := exec.Command(binary, "-test.run", "^TestStranger$")
		cmd.Dir = "/"
		cmd.Env = append(os.Environ(), "STRANGER_SOCKET="+run.path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		switch {
		case uid == 0 && err != nil:
			t.Errorf("the same user in another process is refused: %v\n%s", err, out)
		case uid != 0 && err == nil:
			t.Errorf("user %d was served", uid)
		case uid != 0 && !strings.Contains(run.log.String(), "refused a connection of user 65534"):
			t.Errorf("it failed for another reason: %v\n%s\n%s", err, out, run.log)
		}
	}
	open(t, run.endpoint)
}

// buildStrangerBinary copies this test's binary to where another user can run it.
func buildStrangerBinary(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := dir + "/stranger"
	if err := os.WriteFile(path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStranger is the client of the tests above, in its own process.
func TestStranger(t *testing.T) {
	path := os.Getenv("STRANGER_SOCKET")
	if path == "" {
		return // it is run by other tests
	}
	dial(t, path).shake().authenticate()
}

func TestAnotherProcessIsRefused(t *testing.T) {
	run := serve(t, &scripted{}, func(c *Config) { c.ClientPID = os.Getpid() })
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestStranger$")
	cmd.Env = append(os.Environ(), "STRANGER_SOCKET="+run.path)
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("served:\n%s", out)
	}
	if !strings.Contains(run.log.String(), "the client is process") {
		t.Errorf("it failed for another reason: %s", run.log)
	}
	open(t, run.endpoint)
}

// TestHeartbeatsAreAnswered: libzmq's PING gets its PONG with the context, and the
// application sees neither.
func TestHeartbeatsAreAnswered(t *testing.T) {
	run := serve(t, &scripted{}, nil)
	r := dial(t, run.path).shake().authenticate()
	r.put(append([]byte{flagCommand, 10, 4}, "PING\x00\x0actx"...)...)
	want := append([]byte{flagCommand, 8, 4}, "PONGctx"...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r.in, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got % x, %v; want % x", got, err, want)
	}
	r.put(append([]byte{flagCommand, 5, 4}, "PONG"...)...)
	frame, err := wire.Encode(wire.StatusRequest{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.frame(frame).answer().(*wire.Status); !ok {
		t.Error("no Status after heartbeats")
	}
	if strings.Contains(run.log.String(), "refused") {
		t.Errorf("a heartbeat reached the application: %s", run.log)
	}
}

// TestClosedConnectionsAreForgotten: neither ours nor the library's tables grow.
func TestClosedConnectionsAreForgotten(t *testing.T) {
	run := serve(t, &scripted{}, nil)
	open(t, run.endpoint)
	base := runtime.NumGoroutine()
	for i := range 200 {
		r := dial(t, run.path).shake()
		if i%2 == 0 {
			r.put(append(frameHead(1000), "half"...)...)
		}
		r.Close()
	}
	eventually(t, "the goroutines of 200 closed connections end", func() bool { return runtime.NumGoroutine() <= base+5 })
}
