package clock

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

// ErrOffset says that a process's time namespace could not be read.
var ErrOffset = errors.New("time namespace offset unknown")

// monotonicOffset is what the time namespace of the process behind dir (a
// /proc/PID) adds to the kernel's CLOCK_MONOTONIC, in ns.
func monotonicOffset(dir string) (int64, error) {
	text, err := os.ReadFile(dir + "/timens_offsets")
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(dir); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrOffset, err)
		}
		return 0, nil // the kernel has no time namespaces
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrOffset, err)
	}
	// The file speaks of the namespace that children will get. Between
	// unshare(CLONE_NEWTIME) and the next fork that is not the process's own.
	own, err1 := os.Readlink(dir + "/ns/time")
	children, err2 := os.Readlink(dir + "/ns/time_for_children")
	if err1 == nil && err2 == nil && own != children {
		return 0, fmt.Errorf("%w: the process has unshared its time namespace without entering it", ErrOffset)
	}
	return parseOffsets(text)
}

// parseOffsets reads the line "monotonic SECONDS NANOSECONDS". Old kernels
// name the clock by its number, 1.
func parseOffsets(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) != 3 || string(f[0]) != "monotonic" && string(f[0]) != "1" {
			continue
		}
		seconds, err := strconv.ParseInt(string(f[1]), 10, 64)
		if err != nil || seconds > 1<<33 || seconds < -1<<33 {
			return 0, fmt.Errorf("%w: bad seconds %q", ErrOffset, f[1])
		}
		ns, err := strconv.ParseInt(string(f[2]), 10, 64)
		if err != nil || ns < 0 || ns >= 1e9 {
			return 0, fmt.Errorf("%w: bad nanoseconds %q", ErrOffset, f[2])
		}
		return seconds*1e9 + ns, nil
	}
	return 0, fmt.Errorf("%w: no line for CLOCK_MONOTONIC", ErrOffset)
}
