package cupti

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// directory holds the shared memory of one sidecar. It is locked as long as the
// sidecar lives, so that the next one can tell what a killed one left.
type directory struct {
	path string
	uid  uint32
	lock *os.File
}

// sharedMemory is a directory in memory where there is one: a mapped file on a
// disk would be written back.
func sharedMemory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return os.TempDir()
}

// makeDirectory makes a directory that only the user uid may enter.
func makeDirectory(uid uint32) (*directory, error) {
	root := sharedMemory()
	sweep(root)
	var last error
	// Between its making and its locking another sidecar may sweep it: then make another one.
	for range 10 {
		path, err := os.MkdirTemp(root, directoryPrefix)
		if err != nil {
			return nil, fmt.Errorf("making a directory for GPU records: %w", err)
		}
		lock, err := lockDirectory(path, uid)
		if err == nil {
			return &directory{path: path, uid: uid, lock: lock}, nil
		}
		os.Remove(path)
		last = err
	}
	return nil, fmt.Errorf("making a directory for GPU records: %w", last)
}

func lockDirectory(path string, uid uint32) (*os.File, error) {
	lock, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil && int(uid) != os.Geteuid() {
		err = lock.Chown(int(uid), -1)
	}
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

func (d *directory) remove() error {
	return errors.Join(os.RemoveAll(d.path), d.lock.Close())
}

// sweep removes the directories of sidecars of this user that were killed.
func sweep(root string) {
	left, err := filepath.Glob(filepath.Join(root, directoryPrefix+"*"))
	if err != nil {
		return
	}
	for _, path := range left {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		var status unix.Stat_t
		if unix.Fstat(fd, &status) == nil && (int(status.Uid) == os.Geteuid() || os.Geteuid() == 0) && unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(path)
		}
		unix.Close(fd)
	}
}
