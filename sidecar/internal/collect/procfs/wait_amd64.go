package procfs

import "golang.org/x/sys/unix"

// archKindOf classes the system calls that exist on amd64 alone.
func archKindOf(number int64) callKind {
	switch number {
	case unix.SYS_POLL:
		return kindPoll
	case unix.SYS_SELECT:
		return kindSelect
	case unix.SYS_EPOLL_WAIT:
		return kindEvents
	case unix.SYS_OPEN, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_RENAME, unix.SYS_UNLINK:
		return kindDisk
	}
	return kindOther
}
