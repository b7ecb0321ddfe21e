package cudaprobe

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

const nobody = 65534

// The very command that Status gives makes the probes work for a user without other
// rights, on a process of that user; without it the user is told what is missing.
func TestPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	warm(t, Options{}) // skips where eBPF cannot work at all
	library, program := build(t)
	observe := filepath.Join(filepath.Dir(program), "observe")
	if out, err := exec.Command("go", "build", "-o", observe, "./observe").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	target := exec.Command(program, library)
	target.SysProcAttr = as
	in, err := target.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := target.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := target.Wait(); err != nil {
			t.Error(err)
		}
	}()
	told := bufio.NewScanner(out)
	do := func(command string) {
		fmt.Fprintln(in, command)
		for told.Scan() && told.Text() != "done" {
		}
	}
	do("load")

	// record runs the observer around 100 launches and gives its answer at the end.
	record := func() (rows int, err error) {
		run := exec.Command(observe)
		run.SysProcAttr = as
		var said strings.Builder
		run.Stderr = &said
		commands, err := run.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		answers, err := run.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		request := map[string]any{"begin": map[string]any{"PID": target.Process.Pid, "UID": nobody}}
		if err := json.NewEncoder(commands).Encode(request); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(answers)
		if !lines.Scan() {
			return 0, errors.Join(run.Wait(), errors.New(said.String()))
		}
		do("storm 100")
		fmt.Fprintln(commands, `{"end": true}`)
		var answer struct {
			Rows int `json:"rows"`
		}
		if lines.Scan() {
			err = json.Unmarshal(lines.Bytes(), &answer)
		}
		commands.Close()
		return answer.Rows, errors.Join(err, run.Wait())
	}
	if rows, err := record(); err == nil || !strings.Contains(err.Error(), "lacks CAP_BPF and CAP_PERFMON") {
		t.Errorf("without privileges: %d calls, %v", rows, err)
	}
	if _, err := exec.LookPath("setcap"); err != nil {
		t.Skip("setcap is not installed")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	enable := strings.ReplaceAll(strings.TrimPrefix(privilege.EnableCommand(), "sudo "), self, observe)
	if out, err := exec.Command("sh", "-c", enable).CombinedOutput(); err != nil {
		if errors.Is(unix.Setxattr(observe, "security.inferscope", nil, 0), unix.ENOTSUP) {
			t.Skipf("the file system keeps no capabilities: %s", out)
		}
		t.Fatalf("%s: %v: %s", enable, err, out)
	}
	if rows, err := record(); err != nil || rows != 100 {
		t.Errorf("with the capabilities: %d calls, %v", rows, err)
	}
}
