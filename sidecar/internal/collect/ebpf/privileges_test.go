package ebpf

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

func TestParseCPUList(t *testing.T) {
	cpus, err := parseCPUList("0-2,5")
	if err != nil || len(cpus) != 4 || cpus[2] != 2 || cpus[3] != 5 {
		t.Errorf("%v, %v", cpus, err)
	}
	for _, bad := range []string{"", "x", "3-1", "0-99999999"} {
		if _, err := parseCPUList(bad); err == nil {
			t.Errorf("%q is a list of CPUs", bad)
		}
	}
}

const nobody = 65534

// unprivileged are the attributes of a process of a user without rights.
func unprivileged() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// observer builds the program observe in a folder that every user can read.
func observer(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for dir := folder; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(folder, "observe")
	command(t, "go", "build", "-o", program, "./observe")
	return program
}

// A user without privileges is told what is missing, and the command that gives it.
func TestWithoutPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	warm(t, Options{}) // skips where eBPF cannot work at all
	run := exec.Command(observer(t))
	run.SysProcAttr = unprivileged()
	out, err := run.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "lacks CAP_BPF and CAP_PERFMON") {
		t.Errorf("%v: %s", err, out)
	}
}

// The very command that Status gives makes the collector work for a user without
// other rights: the capabilities are permitted, not effective, and raised on use.
func TestEnableCommandWorks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("setting file capabilities needs root")
	}
	if _, err := exec.LookPath("setcap"); err != nil {
		t.Skip("setcap is not installed")
	}
	warm(t, Options{})
	program := observer(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	enable := strings.ReplaceAll(strings.TrimPrefix(privilege.EnableCommand(), "sudo "), self, program)
	if out, err := exec.Command("sh", "-c", enable).CombinedOutput(); err != nil {
		if errors.Is(unix.Setxattr(program, "security.inferscope", nil, 0), unix.ENOTSUP) {
			t.Skipf("the file system keeps no capabilities: %s", out)
		}
		t.Fatalf("%s: %v: %s", enable, err, out)
	}
	target := exec.Command("sleep", "60")
	target.SysProcAttr = unprivileged()
	if err := target.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		target.Process.Kill()
		target.Wait()
	}()
	run := exec.Command(program)
	run.SysProcAttr = unprivileged()
	run.Stderr = os.Stderr
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	request := map[string]any{"begin": map[string]any{"PID": target.Process.Pid, "UID": nobody}}
	if err := json.NewEncoder(in).Encode(request); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(out)
	if !answers.Scan() {
		t.Fatal("the collector could not begin")
	}
	if _, err := io.WriteString(in, `{"end": true}`+"\n"); err != nil {
		t.Fatal(err)
	}
	var told struct {
		Rows int `json:"rows"`
	}
	if !answers.Scan() {
		t.Fatal("the collector could not end")
	}
	if err := json.Unmarshal(answers.Bytes(), &told); err != nil || told.Rows != 1 {
		t.Errorf("a thread that sleeps has %d rows: %s, %v", told.Rows, answers.Bytes(), err)
	}
	in.Close()
	if err := run.Wait(); err != nil {
		t.Error(err)
	}
}
