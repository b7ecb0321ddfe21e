package clock

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestRealtimeBracketHoldsAnIndependentReading(t *testing.T) {
	b := Realtime()
	if b.Error <= 0 || b.Error > int64(time.Millisecond) {
		t.Fatalf("error of the bracket %d ns", b.Error)
	}
	before := Monotonic()
	wall := time.Now().UnixNano()
	after := Monotonic()
	if at := b.ToMonotonic(wall); at < before-b.Error || at > after+b.Error {
		t.Errorf("converted %d is outside of [%d, %d] +- %d", at, before, after, b.Error)
	}
}

func TestTightestKeepsTheNarrowestBracket(t *testing.T) {
	outer := []int64{0, 1000, 2000, 2010, 3000, 3500}
	inner := []int64{70_500, 72_004, 73_100}
	next := func(of *[]int64) func() int64 {
		return func() int64 { v := (*of)[0]; *of = (*of)[1:]; return v }
	}
	b := tightest(3, next(&outer), next(&inner))
	if b.Error != 5 || b.Offset != 2005-72_004 {
		t.Errorf("kept %+v", b)
	}
}

func TestOffsetsOfThisProcess(t *testing.T) {
	n, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if n.FromSelf != 0 {
		t.Errorf("this process's clock differs from itself by %d ns", n.FromSelf)
	}
	if _, err := Of(1 << 29); !errors.Is(err, ErrOffset) {
		t.Errorf("a process that does not exist: %v", err)
	}
}

// A child in a time namespace of its own tells its CLOCK_MONOTONIC: it must lie
// between two of our readings once they are converted.
func TestProcessInAnotherTimeNamespace(t *testing.T) {
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("unshare is not installed")
	}
	if _, err := os.Stat("/proc/self/ns/time"); err != nil {
		t.Skipf("this kernel has no time namespaces: %v", err)
	}
	args := []string{"--time", "--monotonic", "12345", "--fork", "--kill-child"}
	if os.Geteuid() != 0 {
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	if out, err := exec.Command("unshare", append(args, "true")...).CombinedOutput(); err != nil {
		if os.Geteuid() == 0 {
			t.Fatalf("root cannot make a time namespace: %v: %s", err, out)
		}
		t.Skipf("no privilege to make a time namespace: %v: %s", err, out)
	}
	const child = `import os, sys, time
print(os.getpid(), flush=True)
for _ in sys.stdin:
    print(time.monotonic_ns(), flush=True)`
	cmd := exec.Command("unshare", append(args, "python3", "-c", child)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	number := func() int64 {
		if !lines.Scan() {
			t.Fatal("the child said nothing")
		}
		v, err := strconv.ParseInt(strings.TrimSpace(lines.Text()), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	n, err := Of(int(number()))
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(12345 * time.Second); n.FromSelf != want {
		t.Errorf("offset %v, want %v", time.Duration(n.FromSelf), time.Duration(want))
	}
	before := n.Now()
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	at := number()
	if after := n.Now(); at < before || at > after {
		t.Errorf("the child read %d, outside of [%d, %d]", at, before, after)
	}
}

func TestParseOffsets(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"monotonic           0         0\nboottime            0         0\n", 0, true},
		{"monotonic      -86400 500000000\nboottime 0 0\n", -86400e9 + 5e8, true},
		{"1 10 5\n7 3 3\n", 10e9 + 5, true},
		{"boottime 1 1\n", 0, false},
		{"", 0, false},
		{"monotonic x 0\n", 0, false},
		{"monotonic 99999999999999999 0\n", 0, false},
		{"monotonic 0 1000000000\n", 0, false},
	} {
		got, err := parseOffsets([]byte(c.text))
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%q: %d, %v", c.text, got, err)
		}
	}
}

func FuzzParseOffsets(f *testing.F) {
	f.Add([]byte("monotonic 1 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := parseOffsets(text); err != nil && v != 0 {
			t.Error("an offset beside an error")
		}
	})
}
