package ebpf

import "golang.org/x/sys/unix"

// legacyOperations are calls that newer architectures do not have.
var legacyOperations = map[int]operation{
	unix.SYS_POLL: opPoll, unix.SYS_SELECT: opSelect, unix.SYS_EPOLL_WAIT: opEpoll, unix.SYS_VFORK: opChild,
	unix.SYS_OPEN: opFile, unix.SYS_STAT: opFile, unix.SYS_LSTAT: opFile, unix.SYS_ACCESS: opFile,
	unix.SYS_READLINK: opFile, unix.SYS_UNLINK: opFile, unix.SYS_MKDIR: opFile, unix.SYS_RMDIR: opFile,
	unix.SYS_RENAME: opFile, unix.SYS_CREAT: opFile, unix.SYS_GETDENTS: opFD, unix.SYS_NEWFSTATAT: opFile,
	unix.SYS_RENAMEAT: opFile,
}
