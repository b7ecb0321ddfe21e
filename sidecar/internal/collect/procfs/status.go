package procfs

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// deniedReason says what is lost when a thread's system call cannot be read.
const deniedReason = "the kernel refused to tell which system call a thread waits in: " +
	"waits for the GIL and for locks cannot be told apart, and count as unknown"

// DeniedLoss is the reason and the command of the loss that comes from Watcher.Denied.
func DeniedLoss() (reason, enable string) { return deniedReason, deniedEnable() }

// deniedEnable is the command that lets this process read the system calls of
// the user's other processes.
func deniedEnable() string {
	if scope, ok := PtraceScope(); ok && scope > 0 {
		return "sudo sysctl kernel.yama.ptrace_scope=0"
	}
	return ""
}

// PtraceScope is Yama's setting; false on a kernel without it. Above 0 a process
// may not look into its parent.
func PtraceScope() (int, bool) {
	text, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		return 0, false
	}
	v, ok := parseInt(bytes.TrimSpace(text))
	return int(v), ok
}

// CanTrace says whether this process has CAP_SYS_PTRACE, which overrules Yama.
func CanTrace() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_PTRACE) != 0
}

// TraceNote is a clause for a status when Yama hides system calls, and the
// command that changes it; both are empty when they can be read.
func TraceNote() (note, enable string) {
	scope, ok := PtraceScope()
	if !ok || scope == 0 || CanTrace() {
		return "", ""
	}
	return "; the GIL cannot be told from other locks (kernel.yama.ptrace_scope)", deniedEnable()
}

// rungStatus probes the files that sampling needs, below root.
func rungStatus(name, root string) collect.Status {
	status := collect.Status{Name: name}
	buf := make([]byte, 1024)
	text, err := readFile(root+"/self/schedstat", buf)
	if err == nil {
		_, err = ParseSchedstat(text)
	}
	if err != nil {
		status.Detail = "this kernel does not account the scheduling of threads in /proc (CONFIG_SCHED_INFO): " + err.Error()
		return status
	}
	if text, err = readFile(root+"/self/stat", buf); err == nil {
		_, err = ParseStat(text)
	}
	if err != nil {
		status.Detail = "/proc cannot be read: " + err.Error()
		return status
	}
	note, enable := TraceNote()
	status.Available = true
	status.Detail = "threads looked at up to 100 times a second: exact totals of running and waiting, reasons where a look hits" + note
	status.Enable = enable
	return status
}
