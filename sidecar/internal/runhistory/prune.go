package runhistory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// Run is one run of the history.
type Run struct {
	// Path is the trace's folder. Paths sort by the time at which the runs began.
	Path string
	// Bytes is what its files have together.
	Bytes int64
}

const (
	// lockName is the file whose lock lets one process at a time remove runs.
	lockName = ".lock"
	// removing begins the name of a run that is being removed: it is no run any more.
	removing = ".removing-"
)

// List is the runs, oldest first. Runs that are being written are among them. A
// directory that does not exist has none.
func (h *History) List() ([]Run, error) {
	dir, err := h.Dir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	runs := []Run{}
	for _, e := range entries { // sorted by name
		if e.IsDir() && idForm.MatchString(e.Name()) {
			path := filepath.Join(dir, e.Name())
			runs = append(runs, Run{Path: path, Bytes: size(path)})
		}
	}
	return runs, nil
}

func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// Prune removes the oldest runs until the rest keeps the limits. The newest stays, and
// so does a run that somebody writes or reads. When another process is pruning, it
// leaves the work to it.
func (h *History) Prune() error {
	dir, err := h.Dir()
	if err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		return err
	}
	leftovers, err := filepath.Glob(filepath.Join(dir, removing+"*"))
	if err != nil {
		return err
	}
	for _, path := range leftovers { // of a process that ended in the middle
		_ = os.RemoveAll(path)
	}
	if err := removeUnfinished(dir); err != nil {
		return err
	}
	runs, err := h.List()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, r := range runs {
		total += r.Bytes
	}
	left := len(runs)
	for _, r := range slices.Clip(runs[:max(len(runs)-1, 0)]) {
		if left <= h.options.Runs && total <= h.options.Bytes {
			break
		}
		if removeUnused(r.Path) {
			left--
			total -= r.Bytes
		}
	}
	return nil
}

// unfinishedAge is when a folder that never became a run is old: making one takes milliseconds.
const unfinishedAge = time.Hour

// removeUnfinished removes old folders whose makers ended before they were runs.
func removeUnfinished(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, "*"+tracestore.Suffix+tracestore.New))
	if err != nil {
		return err
	}
	for _, path := range found {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < unfinishedAge ||
			!idForm.MatchString(strings.TrimSuffix(filepath.Base(path), tracestore.New)) {
			continue
		}
		removeUnused(path)
	}
	return nil
}

// removeUnused removes a run that nobody has locked.
func removeUnused(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return false
	}
	return remove(path) == nil
}

// remove takes a run out of the list at once, and then away.
func remove(path string) error {
	gone := filepath.Join(filepath.Dir(path), removing+strings.TrimPrefix(filepath.Base(path), "."))
	if err := os.Rename(path, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}
