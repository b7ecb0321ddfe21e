package procfs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"strings"
)

// cgroup is the CPU control group of a process and its ancestors, deepest first.
type cgroup struct {
	dirs []string
	v1   bool
}

// throttle is how often and for how long the groups that have a quota held the
// process's group back.
type throttle struct {
	known     bool
	count, ns int64
}

// findCgroup finds the directories of a process's CPU control group; nil when
// there are none to be seen.
func findCgroup(pid int) *cgroup {
	membership, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return cgroupOf(membership, mounts)
}

// cgroupOf joins a process's membership with the mounts. A version 1 hierarchy
// with the CPU controller wins: the unified one then has no say over the CPU.
func cgroupOf(membership, mounts []byte) *cgroup {
	var v1, v2 string
	var has1, has2 bool
	for line := range bytes.Lines(membership) {
		parts := strings.SplitN(strings.TrimRight(string(line), "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			v2, has2 = parts[2], true
		case contains(parts[1], "cpu"):
			v1, has1 = parts[2], true
		}
	}
	if has1 {
		if dirs := groupDirs(mounts, v1, func(kind, options string) bool { return kind == "cgroup" && contains(options, "cpu") }); dirs != nil {
			return &cgroup{dirs: dirs, v1: true}
		}
	}
	if has2 {
		if dirs := groupDirs(mounts, v2, func(kind, _ string) bool { return kind == "cgroup2" }); dirs != nil {
			return &cgroup{dirs: dirs}
		}
	}
	return nil
}

// contains says whether a comma-separated list holds a word.
func contains(list, word string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if part == word {
			return true
		}
	}
	return false
}

// groupDirs lists the directories of a group and of its ancestors up to the mount.
func groupDirs(mounts []byte, group string, is func(kind, options string) bool) []string {
	lines := bufio.NewScanner(bytes.NewReader(mounts))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// id parent major:minor root mountpoint options [optional...] - kind source superoptions
		left, right, ok := strings.Cut(lines.Text(), " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 5 || len(g) < 3 || !is(g[0], g[2]) {
			continue
		}
		root, mount := f[3], f[4]
		inside, ok := strings.CutPrefix(path.Clean("/"+group), strings.TrimSuffix(root, "/"))
		if !ok { // another container's view: the mount itself is all there is
			inside = "/"
		}
		var dirs []string
		for inside = path.Clean("/" + inside); len(dirs) < 64; inside = path.Dir(inside) {
			dirs = append(dirs, path.Join(mount, inside))
			if inside == "/" {
				break
			}
		}
		return dirs
	}
	return nil
}

// limit is how many CPUs' worth of time one directory allows; 0 is no limit.
func (c *cgroup) limit(dir string) float64 {
	buf := make([]byte, 256)
	var quota, period int64
	var ok1, ok2 bool
	if c.v1 {
		if text, err := readFile(dir+"/cpu.cfs_quota_us", buf); err == nil {
			quota, ok1 = parseInt(bytes.TrimSpace(text))
		}
		if text, err := readFile(dir+"/cpu.cfs_period_us", buf); err == nil {
			period, ok2 = parseInt(bytes.TrimSpace(text))
		}
	} else if text, err := readFile(dir+"/cpu.max", buf); err == nil {
		first, rest := nextField(text)
		second, _ := nextField(rest)
		quota, ok1 = parseInt(first) // "max" is no number: no limit
		period, ok2 = parseInt(second)
	}
	if !ok1 || !ok2 || quota <= 0 || period <= 0 {
		return 0
	}
	return float64(quota) / float64(period)
}

// quota is the tightest limit of the group and its ancestors in CPUs' worth of
// time; 0 is none or not known.
func (c *cgroup) quota() float64 {
	var least float64
	if c == nil {
		return 0
	}
	for _, dir := range c.dirs {
		if l := c.limit(dir); l > 0 && (least == 0 || l < least) {
			least = l
		}
	}
	return least
}

// throttled adds up the throttling of the groups that have a limit.
func (c *cgroup) throttled() throttle {
	var t throttle
	if c == nil {
		return t
	}
	buf := make([]byte, 4096)
	for _, dir := range c.dirs {
		if c.limit(dir) == 0 {
			continue
		}
		text, err := readFile(dir+"/cpu.stat", buf)
		if err != nil {
			continue
		}
		n, ok := statValue(text, "nr_throttled")
		ns, ok1 := statValue(text, "throttled_time")
		us, ok2 := statValue(text, "throttled_usec")
		if ok && (ok1 || ok2) {
			t.known = true
			t.count += n
			t.ns += ns + us*1000
		}
	}
	return t
}

// statValue is the number after a word in a file of "word number" lines.
func statValue(text []byte, word string) (int64, bool) {
	for line := range bytes.Lines(text) {
		first, rest := nextField(line)
		if string(first) == word {
			second, _ := nextField(rest)
			return parseInt(second)
		}
	}
	return 0, false
}
