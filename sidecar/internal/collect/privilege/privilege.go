// Package privilege is what this process may do with eBPF: what the kernel and the
// process lack, the command that would give it, and how the capabilities that are
// permitted are raised for a moment. The collectors that load programs share it.
package privilege

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// Missing says what keeps eBPF from working here, and how to get it.
type Missing struct {
	// Detail is a sentence's part, Enable a command; Enable may be empty.
	Detail, Enable string
}

// Error is the detail.
func (m Missing) Error() string { return m.Detail }

// ErrOtherUser says that the process to observe is not the asking user's.
var ErrOtherUser = errors.New("the process belongs to another user")

// The kernel that the programs need: 5.15 brought bpf_task_pt_regs.
const (
	minMajor = 5
	minMinor = 15
)

// kernelTypes is where a kernel describes its own types.
const kernelTypes = "/sys/kernel/btf/vmlinux"

// ProbeKernel says what the kernel itself lacks; nil when nothing. No privilege changes it.
func ProbeKernel() error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("ask for the kernel's version: %w", err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	if major, minor := parseRelease(release); major < minMajor || major == minMajor && minor < minMinor {
		return Missing{
			Detail: fmt.Sprintf("Linux %d.%d or newer is needed, and this is %s", minMajor, minMinor, release),
			Enable: "upgrade the kernel",
		}
	}
	if _, err := os.Stat(kernelTypes); err != nil {
		return Missing{
			Detail: "the kernel does not describe its types (" + kernelTypes + " is missing)",
			Enable: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
		}
	}
	if text, err := os.ReadFile("/sys/kernel/security/lockdown"); err == nil && strings.Contains(string(text), "[confidentiality]") {
		return Missing{
			Detail: "the kernel is locked down (confidentiality), which forbids eBPF to read memory",
			Enable: "boot with lockdown=integrity",
		}
	}
	return nil
}

// parseRelease reads the first two numbers of a kernel release; 0, 0 if it is none.
func parseRelease(release string) (major, minor int) {
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return 0, 0
	}
	return major, minor
}

// capabilitySet is one of a thread's sets, a bit a capability.
type capabilitySet uint64

func (s capabilitySet) has(capability uint) bool { return s>>capability&1 != 0 }

// wanted are the capabilities that are raised where they are permitted:
// CAP_SYS_PTRACE names Python frames where ptrace is restricted (Yama), the
// other two load the programs.
var wanted = []uint{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_PTRACE}

// capabilities reads the calling thread's sets.
func capabilities() (effective, permitted capabilitySet, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, 0, fmt.Errorf("read the capabilities: %w", err)
	}
	join := func(low, high uint32) capabilitySet { return capabilitySet(low) | capabilitySet(high)<<32 }
	return join(data[0].Effective, data[1].Effective), join(data[0].Permitted, data[1].Permitted), nil
}

// allowsPrograms says whether a set is enough to load and attach the programs.
func (s capabilitySet) allowsPrograms() bool {
	return s.has(unix.CAP_SYS_ADMIN) || s.has(unix.CAP_BPF) && s.has(unix.CAP_PERFMON)
}

// Probe says which privilege is missing; nil when none.
func Probe() error {
	_, permitted, err := capabilities()
	if err != nil {
		return err
	}
	if permitted.allowsPrograms() {
		return nil
	}
	var names []string
	if !permitted.has(unix.CAP_BPF) {
		names = append(names, "CAP_BPF")
	}
	if !permitted.has(unix.CAP_PERFMON) {
		names = append(names, "CAP_PERFMON")
	}
	return Missing{
		Detail: "the sidecar lacks " + strings.Join(names, " and "),
		Enable: EnableCommand(),
	}
}

// EnableCommand gives this very program what it needs. The flag is p alone: with
// +ep, a container that withholds a capability could not even execute the file.
func EnableCommand() string {
	path, err := os.Executable()
	if err != nil {
		path = "inferscope-sidecar"
	}
	if strings.ContainsAny(path, " \t\"'\\$&;|<>()*?[]#~`!{}") {
		path = "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return "sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+p " + path
}

// Run runs f on a thread of its own with the wanted capabilities raised.
// The thread ends with f: nothing else of this process ever runs with them.
func Run(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// Never unlocked: the runtime ends the thread with the goroutine.
		runtime.LockOSThread()
		if err := Raise(); err != nil {
			result <- err
			return
		}
		result <- f()
	}()
	return <-result
}

// Raise makes the wanted capabilities effective for the calling thread, as far as
// they are permitted.
func Raise() error {
	effective, permitted, err := capabilities()
	if err != nil {
		return err
	}
	want := effective
	for _, capability := range wanted {
		if permitted.has(capability) {
			want |= 1 << capability
		}
	}
	if want == effective {
		return nil
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(want), Permitted: uint32(permitted)},
		{Effective: uint32(want >> 32), Permitted: uint32(permitted >> 32)},
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("raise the capabilities: %w", err)
	}
	// A program with file capabilities is not dumpable, and its own files in /proc
	// belong to root then: the loader reads some of them. Another process of the
	// user still cannot trace this one, whose capabilities it lacks.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep /proc/self readable: %w", err)
	}
	return nil
}

// Refusal explains why the kernel refused to load the programs.
func Refusal(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.As(err, &verifier):
		return Missing{Detail: fmt.Sprintf("the kernel refused the eBPF programs: %v", verifier)}
	case errors.Is(err, unix.EPERM):
		return Missing{
			Detail: "the kernel or a container's system call filter forbids eBPF although the capabilities are there: " + err.Error(),
			Enable: "docker run --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE",
		}
	}
	return err
}

// CheckUser refuses a process that is not the asking user's: the privileges of
// this process must not show a user more than what is theirs.
func CheckUser(target collect.Target) error {
	uid, err := realUser(target.PID)
	if err != nil {
		return err
	}
	if uid != target.UID {
		return fmt.Errorf("process %d is of user %d, asked for by user %d: %w", target.PID, uid, target.UID, ErrOtherUser)
	}
	return nil
}

// realUser is the real user id of a process.
func realUser(pid int) (uint32, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		var uid uint32
		if n, err := fmt.Sscanf(line, "Uid: %d", &uid); n == 1 && err == nil {
			return uid, nil
		}
	}
	return 0, fmt.Errorf("look at process %d: its user is not told", pid)
}
