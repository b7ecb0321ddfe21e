package procfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// File is a file of /proc that is read again and again from its beginning. The
// kernel makes its text anew at each read, and keeps the process it speaks of
// even if the id is used again. Close it.
type File struct{ fd int }

// Open opens a file of /proc for repeated reading.
func Open(path string) (File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return File{-1}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return File{fd}, nil
}

// Read fills buf with the file's present text and returns what there is of it.
// ESRCH says that the process or the thread is gone.
func (f File) Read(buf []byte) ([]byte, error) {
	for {
		n, err := unix.Pread(f.fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			return nil, unix.ESRCH
		}
		return buf[:n], nil
	}
}

// Close releases the file. It may be called again.
func (f *File) Close() {
	if f.fd > 0 {
		_ = unix.Close(f.fd)
	}
	f.fd = -1
}

// readFile reads a small file of /proc once.
func readFile(path string, buf []byte) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Read(buf)
}

// Gone says whether an error means that the process or thread has ended.
func Gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT)
}

// Threads appends the ids of a process's threads to into.
func Threads(pid int, into []int32) ([]int32, error) {
	return ids(fmt.Sprintf("/proc/%d/task", pid), into)
}

// ids appends the names of a directory that are numbers.
func ids(dir string, into []int32) ([]int32, error) {
	f, err := os.Open(dir)
	if err != nil {
		return into, err
	}
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		if v, ok := parseInt([]byte(name)); ok && v > 0 && v < 1<<31 {
			into = append(into, int32(v))
		}
	}
	if err != nil && len(names) == 0 {
		return into, err
	}
	return into, nil
}

// maxProcesses bounds how many descendants of the profiled process are followed.
const maxProcesses = 512

// Tree lists a process and its living descendants, the process first. This
// process, which is commonly a child of the profiled one, is left out.
func Tree(pid int) []int32 {
	tree := []int32{int32(pid)}
	var tids []int32
	buf := make([]byte, 4096)
	for i := 0; i < len(tree) && len(tree) < maxProcesses; i++ {
		tids, _ = Threads(int(tree[i]), tids[:0])
		for _, tid := range tids {
			text, err := readFile(fmt.Sprintf("/proc/%d/task/%d/children", tree[i], tid), buf)
			for err == nil && len(tree) < maxProcesses {
				var field []byte
				if field, text = nextField(text); len(field) == 0 {
					break
				}
				if v, ok := parseInt(field); ok && v > 0 && v < 1<<31 && int(v) != os.Getpid() {
					tree = append(tree, int32(v))
				}
			}
		}
	}
	return tree
}

// SamePIDNamespace says whether a process and this one number processes alike:
// the ids of a source that speaks in our namespace are then the process's own.
func SamePIDNamespace(pid int) bool {
	own, err1 := os.Readlink("/proc/self/ns/pid")
	its, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	return err1 != nil || err2 != nil || own == its
}
