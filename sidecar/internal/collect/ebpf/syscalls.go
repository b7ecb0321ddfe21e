package ebpf

import "golang.org/x/sys/unix"

// operation is what a system call waits for, as far as its number tells.
type operation uint8

const (
	opOther  operation = iota
	opFile             // on a path or a whole file system: a disk, when uninterruptible
	opFD               // on the file of its first argument
	opSync             // writes the file of its first argument back
	opIoctl            // on the file of its first argument
	opSocket           // a socket call
	opFutex            // a futex, at the address of its first argument
	opSleep            // a clock
	opPoll             // descriptors: an array and its length
	opSelect           // descriptors: their number comes first
	opEpoll            // an epoll descriptor
	opChild            // a child process
)

// operations maps this architecture's system calls; those that are not in it are opOther.
var operations = func() map[int]operation {
	table := map[int]operation{
		unix.SYS_READ: opFD, unix.SYS_WRITE: opFD, unix.SYS_READV: opFD, unix.SYS_WRITEV: opFD,
		unix.SYS_PREAD64: opFD, unix.SYS_PWRITE64: opFD, unix.SYS_PREADV: opFD, unix.SYS_PWRITEV: opFD,
		unix.SYS_PREADV2: opFD, unix.SYS_PWRITEV2: opFD, unix.SYS_SENDFILE: opFD, unix.SYS_SPLICE: opFD,
		unix.SYS_TEE: opFD, unix.SYS_VMSPLICE: opFD, unix.SYS_COPY_FILE_RANGE: opFD, unix.SYS_GETDENTS64: opFD,
		unix.SYS_READAHEAD: opFD, unix.SYS_FSTAT: opFD, unix.SYS_LSEEK: opFD, unix.SYS_CLOSE: opFD,

		unix.SYS_FSYNC: opSync, unix.SYS_FDATASYNC: opSync, unix.SYS_SYNC_FILE_RANGE: opSync,
		unix.SYS_FALLOCATE: opSync, unix.SYS_FTRUNCATE: opSync, unix.SYS_SYNCFS: opSync,

		unix.SYS_IOCTL: opIoctl,

		unix.SYS_OPENAT: opFile, unix.SYS_OPENAT2: opFile, unix.SYS_STATX: opFile, unix.SYS_FACCESSAT: opFile,
		unix.SYS_FACCESSAT2: opFile, unix.SYS_READLINKAT: opFile, unix.SYS_UNLINKAT: opFile, unix.SYS_MKDIRAT: opFile,
		unix.SYS_RENAMEAT2: opFile, unix.SYS_LINKAT: opFile, unix.SYS_SYMLINKAT: opFile, unix.SYS_TRUNCATE: opFile,
		unix.SYS_STATFS: opFile, unix.SYS_FSTATFS: opFile, unix.SYS_SYNC: opFile, unix.SYS_MSYNC: opFile,
		unix.SYS_EXECVE: opFile, unix.SYS_EXECVEAT: opFile, unix.SYS_FCHMODAT: opFile, unix.SYS_FCHOWNAT: opFile,
		unix.SYS_UTIMENSAT: opFile,

		unix.SYS_RECVFROM: opSocket, unix.SYS_RECVMSG: opSocket, unix.SYS_RECVMMSG: opSocket, unix.SYS_SENDTO: opSocket,
		unix.SYS_SENDMSG: opSocket, unix.SYS_SENDMMSG: opSocket, unix.SYS_ACCEPT: opSocket, unix.SYS_ACCEPT4: opSocket,
		unix.SYS_CONNECT: opSocket, unix.SYS_SHUTDOWN: opSocket,

		unix.SYS_FUTEX: opFutex, sysFutexWait: opFutex,

		unix.SYS_NANOSLEEP: opSleep, unix.SYS_CLOCK_NANOSLEEP: opSleep,

		unix.SYS_PPOLL: opPoll, unix.SYS_PSELECT6: opSelect, unix.SYS_EPOLL_PWAIT: opEpoll, unix.SYS_EPOLL_PWAIT2: opEpoll,

		unix.SYS_WAIT4: opChild, unix.SYS_WAITID: opChild,
	}
	for number, op := range legacyOperations {
		table[number] = op
	}
	return table
}()

// sysFutexWait is futex_wait (Linux 6.7), the same number on every architecture.
const sysFutexWait = 455

// operationTable is operations for a fast look-up by number.
var operationTable = func() (table [maxSyscalls]operation) {
	for number, op := range operations {
		if number >= 0 && number < maxSyscalls {
			table[number] = op
		}
	}
	return table
}()

// maxSyscalls is how many system call numbers the programs classify.
const maxSyscalls = 512

func operationOf(syscall int16) operation {
	if syscall < 0 || int(syscall) >= maxSyscalls {
		return opOther
	}
	return operationTable[syscall]
}

// syscallClasses tells the programs which calls have a file to look at.
func syscallClasses() (classes [maxSyscalls]uint8) {
	for number, op := range operationTable {
		switch op {
		case opFD, opSync, opIoctl:
			classes[number] = uint8(probeSyscallClassCLASS_FD)
		case opPoll:
			classes[number] = uint8(probeSyscallClassCLASS_POLL)
		}
	}
	return classes
}
