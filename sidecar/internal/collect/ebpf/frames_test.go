package ebpf

import (
	"bufio"
	"encoding/hex"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// stackText writes a stack as "function:line" with the deepest frame first; frames
// of files other than the cell's carry only their function.
func stackText(tl *timeline.Timeline, id timeline.StackID) string {
	var parts []string
	for _, f := range tl.Stacks.Frames(id, nil) {
		text := tl.Names.String(f.Func)
		if tl.Names.String(f.File) == timeline.CellFile {
			text += ":" + strconv.Itoa(int(f.Line))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " < ")
}

// The stacks of known sleeps, on every interpreter that is here: generators,
// nested functions, a C function in between.
func TestFramesOfWaits(t *testing.T) {
	for version, path := range interpreters(t) {
		t.Run(version, func(t *testing.T) {
			c := warm(t, Options{})
			p := start(t, path, "testdata/target.py", "frames")
			if !p.hello.Calibration.Valid {
				t.Fatalf("not calibrated: %s", p.hello.Calibration.Why)
			}
			tl := observe(t, c, p, p.target())
			main := mainThread(t, tl)
			qualified := version != "3.10" // co_qualname came with 3.11
			want := map[string]int64{
				"generate:4 < <module>:20":                         60,
				"Thing.key:12 < Thing.method:9 < <module>:21":      60,
				"outer.<locals>.inner:17 < outer:19 < <module>:22": 50,
				"<module>:23": 40,
			}
			got := map[string]int64{}
			for i := range main.Sched.Off {
				// Whatever the reason: on a busy machine a thread may be preempted on
				// its way to sleep, and its time is up when it goes on.
				got[stackText(tl, main.Sched.Stack[i])] += main.Sched.On[i] - main.Sched.Off[i]
			}
			for stack, least := range want {
				if !qualified {
					stack = strings.NewReplacer("outer.<locals>.", "", "Thing.", "").Replace(stack)
				}
				if ns := got[stack]; ns < least*1e6*95/100 {
					t.Errorf("%s asleep in %q, want %d ms", ms(ns), stack, least)
				}
			}
			if t.Failed() {
				t.Logf("seen: %v", got)
				for i := range main.Sched.Off {
					t.Logf("%10d %8d %8d %-10s %q", main.Sched.Off[i]-p.told["begin"], main.Sched.Wake[i]-main.Sched.Off[i], main.Sched.On[i]-main.Sched.Off[i], main.Sched.Reason[i], stackText(tl, main.Sched.Stack[i]))
				}
			}
			if !main.Python {
				t.Error("the main thread is not known as a Python thread")
			}
			for _, l := range tl.Losses {
				t.Errorf("loss: %+v", l)
			}
		})
	}
}

// The first 32 pthread keys have their slots in the thread's descriptor, later
// ones in a block: the programs and the reader must follow one pointer more.
func TestFramesBehindManyThreadKeys(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler is installed")
	}
	library := filepath.Join(t.TempDir(), "keys.so")
	command(t, cc, "-shared", "-fPIC", "-o", library, "testdata/keys.c", "-lpthread")
	t.Setenv("LD_PRELOAD", library)
	path := python(t)
	c := warm(t, Options{})
	p := start(t, path, "testdata/target.py", "blocked")
	t.Setenv("LD_PRELOAD", "")
	if p.hello.Calibration.Fields[wire.CalTStateInner] == 0 {
		t.Fatalf("the slot is not in a block: %+v", p.hello.Calibration)
	}
	tl := observe(t, c, p, p.target())
	main := mainThread(t, tl)
	if stack := stackText(tl, main.Sched.Stack[longest(main)]); !strings.HasPrefix(stack, "blocked < main") {
		t.Errorf("slept in %q", stack)
	}
	th := threadByID(t, tl, p.told["blocked"])
	if stack := stackText(tl, th.Sched.Stack[0]); !strings.Contains(stack, "wait") {
		t.Errorf("blocked in %q", stack)
	}
}

// Samples of a busy loop land on its lines, in the interpreter's code, and on no other thread.
func TestFramesOfSamples(t *testing.T) {
	for version, path := range interpreters(t) {
		t.Run(version, func(t *testing.T) {
			c := warm(t, Options{SampleHz: 997})
			p := start(t, path, "testdata/target.py", "frames")
			tl := observe(t, c, p, p.target())
			main := mainThread(t, tl)
			inLoop, python := 0, 0
			for i := range main.Samples.Time {
				f, ok := tl.Stacks.Deepest(main.Samples.Stack[i])
				if !ok {
					continue
				}
				for _, f = range tl.Stacks.Frames(main.Samples.Stack[i], nil) {
					if tl.Names.String(f.File) == timeline.CellFile && f.Line >= 25 && f.Line <= 26 {
						inLoop++
						break
					}
				}
				if main.Samples.Kind[i] == timeline.SamplePython {
					python++
				}
			}
			t.Logf("%s", describe(main))
			t.Logf("%d samples, %d in the loop, %d in the interpreter", main.Samples.Len(), inLoop, python)
			if inLoop < 30 {
				t.Errorf("%d of %d samples in the loop's lines", inLoop, main.Samples.Len())
			}
			if python*2 < inLoop {
				t.Errorf("%d samples in the interpreter's code, %d in the loop", python, inLoop)
			}
			if main.Samples.PeriodNs != int64(time.Second)/997 {
				t.Errorf("period %d ns", main.Samples.PeriodNs)
			}
		})
	}
}

// Each phase of the scenario keeps the thread busy in another way.
func TestKindsOfSamples(t *testing.T) {
	c := warm(t, Options{SampleHz: 997})
	p := start(t, python(t), "testdata/target.py", "kinds")
	tl := observe(t, c, p, p.target())
	main := mainThread(t, tl)
	for i, want := range []timeline.SampleKind{
		timeline.SamplePython, timeline.SampleNative, timeline.SampleSyscall, timeline.SampleFault,
	} {
		from, to := p.told["phase"+strconv.Itoa(i)], p.told["phase"+strconv.Itoa(i+1)]
		var kinds [timeline.NumSampleKinds]int
		modules, syscalls, all := map[string]int{}, map[int16]int{}, 0
		for i, at := range main.Samples.Time {
			if at < from || at >= to {
				continue
			}
			all++
			kinds[main.Samples.Kind[i]]++
			modules[tl.Names.String(main.Samples.Module[i])]++
			syscalls[main.Samples.Syscall[i]]++
		}
		t.Logf("phase %d: %v %v %v", i, kinds, modules, syscalls)
		if all < 50 || kinds[want] < all/3 {
			t.Errorf("phase %d: %d of %d samples are of kind %d: %v", i, kinds[want], all, want, kinds)
		}
		switch want {
		case timeline.SampleNative:
			if modules[mostly(modules)] < all/3 || !strings.Contains(mostly(modules), "libz") {
				t.Errorf("compressing happens in %v", modules)
			}
		case timeline.SampleSyscall:
			if syscalls[unix.SYS_READ] < all/3 {
				t.Errorf("reading happens in the system calls %v", syscalls)
			}
		}
	}
}

func mostly(counts map[string]int) string {
	best := ""
	for name, n := range counts {
		if n > counts[best] {
			best = name
		}
	}
	return best
}

// What Python's own tools say of a function's lines is what the line table gives.
func TestLineTableAgreesWithPython(t *testing.T) {
	for version, path := range interpreters(t) {
		t.Run(version, func(t *testing.T) {
			out := command(t, path, "testdata/lines.py")
			format := int64(lineTableLocation)
			if version == "3.10" {
				format = lineTablePairs
			}
			checked := 0
			in := bufio.NewScanner(strings.NewReader(out))
			in.Buffer(nil, 1<<24)
			for in.Scan() {
				checked += checkLines(t, in.Text(), format)
			}
			if checked < 1000 {
				t.Errorf("only %d instructions were checked", checked)
			}
		})
	}
}

func FuzzLineTable(f *testing.F) {
	f.Add([]byte{0x80, 0x00, 0xe9, 0x7f, 0xff}, int32(1))
	f.Fuzz(func(t *testing.T, raw []byte, first int32) {
		for _, format := range []int64{lineTablePairs, lineTableLocation} {
			table := parseLineTable(raw, first, format)
			for unit := int64(-1); unit < 16; unit++ {
				table.at(unit, first)
			}
		}
	})
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// checkLines checks one code object as testdata/lines.py prints it, and says how
// many instructions it had.
func checkLines(t *testing.T, text string, format int64) int {
	t.Helper()
	fields := strings.Fields(text)
	if len(fields) != 3 {
		t.Fatalf("not a code object: %q", text)
	}
	first, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(fields[1], "-"))
	if err != nil {
		t.Fatal(err)
	}
	table := parseLineTable(raw, int32(first), format)
	pairs := strings.Split(fields[2], ",")
	for _, pair := range pairs {
		unitText, lineText, _ := strings.Cut(pair, ":")
		unit, err1 := strconv.Atoi(unitText)
		want, err2 := strconv.Atoi(lineText)
		if err1 != nil || err2 != nil {
			t.Fatalf("not a line: %q", pair)
		}
		if got := table.at(int64(unit), int32(first)); got != int32(want) {
			t.Fatalf("code at line %d: unit %d is on line %d, and Python says %d", first, unit, got, want)
		}
	}
	return len(pairs)
}
