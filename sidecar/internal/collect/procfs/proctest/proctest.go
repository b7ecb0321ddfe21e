// Package proctest runs real processes of known behaviour for the tests of
// collectors, and runs those tests again as a user without privileges.
package proctest

import (
	"bufio"
	_ "embed"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

//go:embed testdata/target.c
var targetSource []byte

// nobody is the user without privileges.
const nobody = 65534

// innerVariable marks the test binary that runs as nobody; its value is the
// folder with what that binary needs.
const innerVariable = "INFERSCOPE_PROCTEST_INNER"

var build struct {
	sync.Once
	binary string
	err    error
	output []byte
}

// binary compiles the target once a test binary.
func binary(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(innerVariable); dir != "" {
		return filepath.Join(dir, "target")
	}
	build.Do(func() {
		dir, err := os.MkdirTemp("", "proctest")
		if err != nil {
			build.err = err
			return
		}
		build.binary = filepath.Join(dir, "target")
		source := build.binary + ".c"
		if build.err = os.WriteFile(source, targetSource, 0o600); build.err != nil {
			return
		}
		cc := os.Getenv("CC")
		if cc == "" {
			cc = "cc"
		}
		build.output, build.err = exec.Command(cc, "-std=c11", "-O2", "-Wall", "-Wextra", "-pthread", "-o", build.binary, source).CombinedOutput()
	})
	if build.err != nil {
		t.Fatalf("compiling the target: %v\n%s", build.err, build.output)
	}
	return build.binary
}

// Main runs a package's tests and removes what this package made for them.
func Main(m *testing.M) {
	code := m.Run()
	if build.binary != "" {
		_ = os.RemoveAll(filepath.Dir(build.binary))
	}
	os.Exit(code)
}

// Process is a running target.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	// PID is the process, TIDs are the threads that it made before it was ready.
	PID  int
	TIDs []int32
}

// Start starts the C target and waits until it is ready; see testdata/target.c
// for its modes. It ends with the test.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	return start(t, exec.Command(binary(t), args...))
}

// Python starts a Python program that speaks the target's protocol: it prints
// "ready PID TID...", reads a line, works, prints "done" and reads to the end.
func Python(t testing.TB, program string) *Process {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "").Run() == nil {
			return start(t, exec.Command(python, "-c", program))
		}
	}
	t.Skip("no Python that this user may run")
	return nil
}

func start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd}
	cmd.Stderr = os.Stderr
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	p.lines.Buffer(nil, 1<<20)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.in.Close()
		ended := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		ended.Stop()
	})
	f := strings.Fields(p.line())
	if len(f) < 2 || f[0] != "ready" {
		t.Fatalf("the target said %q", f)
	}
	for i, text := range f[1:] {
		id, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			p.PID = id
		} else {
			p.TIDs = append(p.TIDs, int32(id))
		}
	}
	return p
}

func (p *Process) line() string {
	if !p.lines.Scan() {
		return ""
	}
	return p.lines.Text()
}

// Act lets the target do its work and returns when it is done or has ended.
func (p *Process) Act() {
	p.t.Helper()
	if _, err := p.in.Write([]byte("go\n")); err != nil {
		p.t.Fatal(err)
	}
	if said := p.line(); said != "done" && said != "" {
		p.t.Fatalf("the target said %q", said)
	}
}

// Reap waits for the end of a target that ends by itself.
func (p *Process) Reap() {
	_ = p.cmd.Wait()
}

// Privileged says whether this test runs as root.
func Privileged() bool { return os.Geteuid() == 0 }

// AsNobody runs the named tests of the calling test binary again as a user
// without privileges. It fails when one of them fails or skips. It skips itself
// only when this process has no privileges to drop.
func AsNobody(t *testing.T, tests string) {
	t.Helper()
	if !Privileged() {
		t.Skipf("user %d has no privileges: the tests have just run without", os.Geteuid())
	}
	dir, err := os.MkdirTemp("", "proctest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{self: "tests", binary(t): "target"} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(dir, "tests"), "-test.run", "^("+tests+")$", "-test.v", "-test.timeout", "100s")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), innerVariable+"="+dir, "HOME="+dir, "PATH=/usr/local/bin:/usr/bin:/bin")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "--- SKIP") || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("as user %d: %v\n%s", nobody, err, out)
	}
}
