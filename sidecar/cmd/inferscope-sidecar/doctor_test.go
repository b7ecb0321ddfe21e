package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect/ebpf"
)

// nobody is a user without rights.
const nobody = 65534

// diagnosis is what `doctor --format json` writes.
type diagnosis struct {
	Schema string `json:"schema"`
	Works  bool   `json:"works"`
	Checks []struct {
		Part, State, Detail, Enable string
	} `json:"checks"`
}

// patient is a user with a copy of the program in a home of theirs.
type patient struct {
	t            *testing.T
	uid          uint32
	dir, program string
}

func newPatient(t *testing.T, uid uint32) patient {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "inferscope-doctor-") // t.TempDir is for its owner alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := patient{t, uid, dir, filepath.Join(dir, "program")}
	if err := copyFile(os.Args[0], p.program); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, p.program} {
		if err := os.Chown(path, int(uid), int(uid)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// diagnose runs the doctor and returns what it found, by part, and its exit code.
func (p patient) diagnose() (states, enables map[string]string, code int) {
	p.t.Helper()
	c := exec.Command(p.program, "doctor", "--format", "json")
	c.Env = []string{"HOME=" + p.dir}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: p.uid, Gid: p.uid}}
	code, stdout, stderr := finish(p.t, c)
	var d diagnosis
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || d.Schema != "inferscope.doctor/1" || d.Works != (code == 0) {
		p.t.Fatalf("exit code %d, %v: %s\n%s", code, err, stdout, stderr)
	}
	states, enables = map[string]string{}, map[string]string{}
	for _, check := range d.Checks {
		if states[check.Part] != "" || check.Detail == "" {
			p.t.Errorf("the part %+v is there twice, or says nothing", check)
		}
		states[check.Part], enables[check.Part] = check.State, check.Enable
	}
	for _, part := range []string{"kernel", "gpu", "driver", "accounting", "ebpf", "perf", "procfs", "cupti", "cudaprobe", "nvml", "interpreter", "configuration", "history"} {
		if states[part] == "" {
			p.t.Errorf("nothing is said of %s", part)
		}
	}
	return states, enables, code
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

func TestDoctorAsRoot(t *testing.T) {
	states, _, _ := newPatient(t, 0).diagnose()
	if states["accounting"] != "works" || states["configuration"] != "works" || states["history"] != "works" || states["interpreter"] != "unseen" {
		t.Errorf("%v", states)
	}
	if _, err := ebpf.KernelSupport(); err != nil {
		if states["kernel"] != "absent" || states["ebpf"] != "absent" {
			t.Errorf("the kernel cannot (%v): %v", err, states)
		}
	} else if states["kernel"] != "works" || states["ebpf"] == "absent" {
		t.Errorf("the kernel can: %v", states)
	}
}

func TestDoctorWithoutPrivileges(t *testing.T) {
	if _, err := ebpf.KernelSupport(); err != nil {
		t.Skipf("no privilege would give this kernel eBPF: %v", err)
	}
	p := newPatient(t, nobody)
	states, enables, code := p.diagnose()
	if code != 1 || states["ebpf"] != "missing" || states["history"] != "works" {
		t.Errorf("exit code %d, %v", code, states)
	}
	if enables["ebpf"] != "sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+p "+p.program {
		t.Errorf("the command is %q", enables["ebpf"])
	}

	// And the command does what it promises, where capabilities of files count and root has them.
	if root, _, _ := newPatient(t, 0).diagnose(); root["ebpf"] != "works" {
		t.Skipf("root itself has no eBPF here: %v", root["ebpf"])
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(p.dir, &fs); err != nil || fs.Flags&unix.ST_NOSUID != 0 {
		t.Skipf("capabilities of files do not count in %s: %v", p.dir, err)
	}
	words := strings.Fields(strings.TrimPrefix(enables["ebpf"], "sudo "))
	if _, err := exec.LookPath(words[0]); err != nil {
		t.Skip(err)
	}
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if states, _, code = p.diagnose(); states["ebpf"] != "works" || code != 0 {
		t.Errorf("with the capabilities: exit code %d, %v", code, states)
	}
}
