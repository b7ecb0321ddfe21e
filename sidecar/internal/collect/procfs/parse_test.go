package procfs

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const statLine = "8957 (sleep) S 8951 8951 4176 0 -1 4194304 131 0 17 0 3 4 0 0 20 0 12 0 145484 2990080 409 18446744073709551615 " +
	"94805801775104 94805801793033 140731182081728 0 0 0 0 6 0 1 0 0 17 1 0 0 0 0 0 94805801807120 0 0 0 0 0 0 0\n"

func TestParseStat(t *testing.T) {
	got, err := ParseStat([]byte(statLine))
	want := Stat{Comm: "sleep", State: 'S', PPID: 8951, MinorFaults: 131, MajorFaults: 17, UserTicks: 3, SystemTicks: 4,
		Threads: 12, StartTicks: 145484, Processor: 1}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseStatOfHostileNames(t *testing.T) {
	for _, name := range []string{"a b", "a) R (", ")", "((((", "\n1 2 3\n", "x) S 1 1 1 1 (y", ""} {
		got, err := ParseStat([]byte(strings.Replace(statLine, "sleep", name, 1)))
		if err != nil || got.Comm != name || got.State != 'S' || got.Processor != 1 {
			t.Errorf("name %q: %+v, %v", name, got, err)
		}
	}
}

func TestParseRefusesWhatIsCutOff(t *testing.T) {
	for n := range len(statLine) - 60 {
		if s, err := ParseStat([]byte(statLine[:n])); err == nil && s.Processor == 1 && n < strings.Index(statLine, "17 1 0") {
			t.Errorf("stat cut at %d was accepted: %+v", n, s)
		}
	}
	for _, text := range []string{"", "1", "1 2", "1 2 x", "a b c"} {
		if _, err := ParseSchedstat([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("schedstat %q: %v", text, err)
		}
	}
	for _, text := range []string{"", "running away", "12", "12 0x1 0x2", "-1", "-1 0x1", "x 0x1", "12 0x1 0x2 0x3 0x4 0x5 0x6 0x7 zz"} {
		if s, err := ParseSyscall([]byte(text)); err == nil && !s.Running {
			t.Errorf("syscall %q was accepted: %+v", text, s)
		}
	}
}

func TestParseSyscall(t *testing.T) {
	got, err := ParseSyscall([]byte("202 0x7f00 0x80 0x0 0x0 0x0 0xffffffff 0x7ffe 0x7fe16b6e2503\n"))
	want := Syscall{Number: 202, Args: [6]uint64{0x7f00, 0x80, 0, 0, 0, 0xffffffff}, PC: 0x7fe16b6e2503}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := ParseSyscall([]byte("-1 0x7ffe 0x1234\n")); err != nil || got.Number != -1 || got.PC != 0x1234 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := ParseSyscall([]byte("running\n")); err != nil || !got.Running {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestValue(t *testing.T) {
	text := []byte("Name:\tVmRSS: 7 kB\nVmHWM:\t  123456 kB\nVmRSS:\t99 kB\nVmRSSX:\t1 kB\n")
	if v, ok := value(text, "VmRSS"); !ok || v != 99 {
		t.Errorf("VmRSS %d, %v", v, ok)
	}
	if v, ok := value(text, "VmHWM"); !ok || v != 123456 {
		t.Errorf("VmHWM %d, %v", v, ok)
	}
	if _, ok := value(text, "Name"); ok {
		t.Error("a name is no number")
	}
}

func TestParseStolen(t *testing.T) {
	if ns, err := parseStolen([]byte("cpu  1 2 3 4 5 6 7 89 0 0\ncpu0 1\n")); err != nil || ns != 890*int64(time.Millisecond) {
		t.Errorf("%d, %v", ns, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := parseStolen([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if ns, err := stolen(); err != nil || ns < 0 {
		t.Errorf("this machine: %d, %v", ns, err)
	}
}

func TestParseList(t *testing.T) {
	got, err := ParseList([]byte("0-2,5,7-8\n"))
	if err != nil || !reflect.DeepEqual(got, []int{0, 1, 2, 5, 7, 8}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseList([]byte("\n")); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"3-1", "a", "1-", "0-99999999999", "-4", "1,,2"} {
		if _, err := ParseList([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestParseMapping(t *testing.T) {
	m, err := ParseMapping([]byte("7f00-8000 r-xp 00001000 fe:00 1234      /a path/with blanks (deleted)"))
	want := Mapping{Start: 0x7f00, End: 0x8000, Offset: 0x1000, Executable: true, Path: "/a path/with blanks (deleted)"}
	if err != nil || m != want {
		t.Errorf("%+v, %v", m, err)
	}
	mappings := []Mapping{{Start: 10, End: 20}, {Start: 20, End: 30}, {Start: 40, End: 50}}
	for address, want := range map[uint64]uint64{10: 10, 19: 10, 20: 20, 49: 40} {
		if m, ok := Find(mappings, address); !ok || m.Start != want {
			t.Errorf("%d is in %+v, %v", address, m, ok)
		}
	}
	for _, address := range []uint64{0, 9, 30, 39, 50} {
		if m, ok := Find(mappings, address); ok {
			t.Errorf("%d is in %+v", address, m)
		}
	}
}

func TestIsPython(t *testing.T) {
	for path, want := range map[string]bool{
		"/usr/bin/python3.11": true, "/x/libpython3.13.so.1.0": true, "/x/libpython3.13t.so.1.0": true, "/opt/python": true,
		"/x/python3.12 (deleted)": true, "/x/libopenblas.so": false, "/x/pythonista": false, "/x/_pickle.cpython-311.so": false, "": false,
	} {
		if IsPython(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

func TestReasonOfFile(t *testing.T) {
	for name, want := range map[string]string{
		"socket:[123]": "network", "pipe:[4]": "pipe", "/dev/nvidia0": "gpu_driver", "/dev/nvidia-uvm": "gpu_driver",
		"/dev/pts/3": "pipe", "anon_inode:[eventfd]": "pipe", "/data/x.bin": "disk", "": "syscall",
	} {
		if got := reasonOfFile(name).String(); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

func TestReasonOfChannel(t *testing.T) {
	for name, want := range map[string]string{
		"futex_wait_queue": "unknown", "futex_do_wait": "unknown", "hrtimer_nanosleep": "sleep", "do_epoll_wait": "poll", "ep_poll": "poll",
		"anon_pipe_read": "pipe", "do_wait": "child", "unix_stream_read_generic": "network", "nonsense": "unknown",
	} {
		if got := reasonOfChannel(name).String(); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

func TestSumNUMA(t *testing.T) {
	const text = `55f00112c000 default file=/usr/bin/cat mapped=2 N0=2 kernelpagesize_kB=4
7f0000000000 bind:0-1 anon=5 dirty=5 N0=1 N1=4 kernelpagesize_kB=2048
7f1000000000 default file=/x/N9=9/N1=7 mapped=3 mapmax=2 N1=3 kernelpagesize_kB=4
7f2000000000 default
`
	got, err := sumNUMA(iotest{strings.NewReader(text)}, func() bool { return false })
	want := map[int]int64{0: 2<<12 + 2<<20, 1: 3<<12 + 4*(2<<20)}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := sumNUMA(strings.NewReader(text), func() bool { return true }); !errors.Is(err, errSlow) {
		t.Errorf("late: %v", err)
	}
	rows := placementOf([]int{0, 1, 2}, got, map[int]int64{1: 3, 2: 1})
	if len(rows) != 3 || rows[0].CPUShare != 0 || rows[1].CPUShare != 0.75 || rows[2].Bytes != 0 {
		t.Errorf("placement %+v", rows)
	}
	if rows := placementOf([]int{0}, got, nil); rows[0].CPUShare != -1 {
		t.Errorf("without CPU time the share is not known: %+v", rows)
	}
}

// iotest reads a few bytes at a time.
type iotest struct{ r *strings.Reader }

func (i iotest) Read(p []byte) (int, error) { return i.r.Read(p[:min(7, len(p))]) }

func TestPlacementOfThisProcess(t *testing.T) {
	got, err := memoryByNode(os.Getpid(), time.Minute)
	if err != nil {
		if _, missing := os.Stat("/proc/self/numa_maps"); missing != nil {
			t.Skipf("no NUMA in this kernel: %v", missing)
		}
		t.Fatal(err)
	}
	var sum int64
	for _, b := range got {
		sum += b
	}
	if sum < 1<<20 || sum > 8<<30 {
		t.Errorf("this test has %d bytes: %v", sum, got)
	}
}

func TestCgroupOf(t *testing.T) {
	const v1 = "9:name=systemd:/\n2:cpuacct:/\n1:cpu,cpuacct:/user/a:b\n0::/\n"
	const mounts1 = "30 25 0:26 / /sys/fs/cgroup/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	got := cgroupOf([]byte(v1), []byte(mounts1))
	if want := (&cgroup{dirs: []string{"/sys/fs/cgroup/cpu/user/a:b", "/sys/fs/cgroup/cpu/user", "/sys/fs/cgroup/cpu"}, v1: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	const mounts2 = "30 25 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
	got = cgroupOf([]byte("0::/docker/x/inner\n"), []byte(mounts2))
	if want := (&cgroup{dirs: []string{"/sys/fs/cgroup/inner", "/sys/fs/cgroup"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	got = cgroupOf([]byte("0::/../elsewhere\n"), []byte(mounts2))
	if got == nil || len(got.dirs) != 1 || got.dirs[0] != "/sys/fs/cgroup" {
		t.Errorf("outside of the mount: %+v", got)
	}
	if cgroupOf(nil, []byte(mounts2)) != nil || cgroupOf([]byte("0::/\n"), nil) != nil {
		t.Error("a group out of nothing")
	}
}

func TestCgroupQuotaAndThrottling(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &cgroup{dirs: []string{dir, dir + "/missing"}}
	write("cpu.max", "max 100000\n")
	write("cpu.stat", "usage_usec 5\nnr_periods 9\nnr_throttled 4\nthrottled_usec 1500\n")
	if c.quota() != 0 || c.throttled().known {
		t.Error("without a limit there is no quota and no throttling")
	}
	write("cpu.max", "250000 100000\n")
	if got, want := c.throttled(), (throttle{true, 4, 1_500_000}); c.quota() != 2.5 || got != want {
		t.Errorf("quota %v, throttled %+v", c.quota(), got)
	}
	c.v1 = true
	write("cpu.cfs_quota_us", "-1\n")
	write("cpu.cfs_period_us", "100000\n")
	if c.quota() != 0 {
		t.Error("-1 is no limit")
	}
	write("cpu.cfs_quota_us", "50000\n")
	write("cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 77\n")
	if got, want := c.throttled(), (throttle{true, 4, 77}); c.quota() != 0.5 || got != want {
		t.Errorf("quota %v, throttled %+v", c.quota(), got)
	}
	var none *cgroup
	if none.quota() != 0 || none.throttled().known {
		t.Error("no group, no quota")
	}
}

// FuzzParsers feeds one text to every parser: none may panic, hang or invent
// large results.
func FuzzParsers(f *testing.F) {
	for _, seed := range []string{statLine, "1 2 3", "running", "202 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8", "-1 0x1 0x2",
		"55f0 default N0=2 N1=99999999999999999999 kernelpagesize_kB=4\n", "0-3,8", "7f00-8000 r-xp 0 fe:00 1 /x",
		"1:cpu:/a\n0::/b\n", "1 (a) b) R \n", "VmRSS:\t1 kB\n", "N0=1 kernelpagesize_kB=99999999999\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := ParseStat(text); err == nil && len(s.Comm) > len(text) {
			t.Error("a name longer than the text")
		}
		_, _ = ParseSchedstat(text)
		_, _ = ParseSyscall(text)
		_, _ = ParseMapping(text)
		_, _ = value(text, "VmRSS")
		_, _ = statValue(text, "nr_throttled")
		if l, err := ParseList(text); err == nil && len(l) > maxCPUs {
			t.Error("a list without end")
		}
		sums, _ := sumNUMA(bytes.NewReader(text), func() bool { return false })
		for node, v := range sums {
			if node < 0 || v < 0 {
				t.Errorf("node %d has %d bytes", node, v)
			}
		}
		_ = cgroupOf(text, text)
		_ = IsPython(string(text))
		_, _ = parseStolen(text)
	})
}
