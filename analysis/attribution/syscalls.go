package attribution

//go:generate go run gen_syscalls.go

import (
	"strconv"

	"github.com/inferscope/inferscope/analysis/result"
)

// SyscallName is the name of a Linux system call on an architecture ("amd64",
// "arm64"); "system call 999" when it is not known.
func SyscallName(arch string, number int16) string {
	if name, ok := syscallTables[arch][number]; ok {
		return name
	}
	return "system call " + strconv.Itoa(int(number))
}

// syscallKinds gives the cause of on-CPU time inside a system call. Calls that
// map, unmap or advise memory count as page_fault: what costs there is the
// kernel's work on pages (clearing, mapping, giving back), and the repair is the
// same as for first touches: reuse the memory. A call that is not here is CauseSyscall.
var syscallKinds = map[string]result.CauseKind{}

func init() {
	for kind, names := range map[result.CauseKind][]string{
		result.CauseHostIO: {"read", "write", "pread64", "pwrite64", "readv", "writev", "preadv", "pwritev", "preadv2",
			"pwritev2", "open", "openat", "openat2", "creat", "close", "close_range", "stat", "fstat", "lstat", "newfstatat",
			"statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2", "lseek", "fsync", "fdatasync", "sync", "syncfs",
			"sync_file_range", "truncate", "ftruncate", "fallocate", "fadvise64", "readahead", "getdents", "getdents64",
			"rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat",
			"symlink", "symlinkat", "readlink", "readlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat",
			"utimensat", "getcwd", "chdir", "fchdir", "sendfile", "copy_file_range", "splice", "tee", "vmsplice",
			"io_submit", "io_getevents", "io_uring_enter", "msync", "flock", "getxattr", "listxattr"},
		result.CauseNetworkIO: {"socket", "socketpair", "connect", "accept", "accept4", "bind", "listen", "shutdown",
			"sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "getsockopt", "setsockopt", "getsockname", "getpeername"},
		result.CausePageFault: {"mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "mlock", "mlock2", "munlock",
			"mlockall", "munlockall", "mbind", "set_mempolicy", "move_pages", "migrate_pages", "process_madvise"},
		result.CauseSleep: {"nanosleep", "clock_nanosleep", "pause"},
		result.CausePoll: {"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2",
			"epoll_ctl", "epoll_create1"},
		result.CauseChild: {"wait4", "waitid", "clone", "clone3", "fork", "vfork", "execve", "execveat"},
		// The kernel's own ways into a probe: no program calls them.
		result.CauseProfiler: {"uprobe", "uretprobe"},
	} {
		for _, name := range names {
			syscallKinds[name] = kind
		}
	}
}

// syscallKind is the cause of on-CPU time inside a system call; CauseSyscall for futex, which the
// caller resolves by what the line waits for.
func syscallKind(name string) result.CauseKind {
	if kind, ok := syscallKinds[name]; ok {
		return kind
	}
	return result.CauseSyscall
}
