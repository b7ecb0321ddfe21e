package ebpf

import "golang.org/x/sys/unix"

// legacyOperations are calls whose names differ from other architectures'.
var legacyOperations = map[int]operation{
	unix.SYS_FSTATAT: opFile, unix.SYS_RENAMEAT: opFile,
}
