package chrome_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile/chrome"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

type event struct {
	Phase    string         `json:"ph"`
	PID, TID int64          //
	TS, Dur  json.Number    //
	Cat      string         //
	Name     string         //
	ID       uint64         //
	BP       string         //
	Args     map[string]any //
}

type file struct {
	Base    int64 `json:"baseTimeNanoseconds"`
	Devices []struct {
		ID   int32
		Name string
	} `json:"deviceProperties"`
	Events []event `json:"traceEvents"`
}

func write(t *testing.T, in track.Input) ([]byte, file) {
	t.Helper()
	var b bytes.Buffer
	if err := chrome.Write(&b, in); err != nil {
		t.Fatal(err)
	}
	var f file
	decoder := json.NewDecoder(bytes.NewReader(b.Bytes()))
	decoder.UseNumber()
	if err := decoder.Decode(&f); err != nil {
		t.Fatalf("%v in %.300s", err, b.String())
	}
	return b.Bytes(), f
}

// ns is a number of microseconds as nanoseconds, exactly.
func ns(t *testing.T, n json.Number) int64 {
	t.Helper()
	r, ok := new(big.Rat).SetString(n.String())
	if !ok || !r.Mul(r, big.NewRat(1000, 1)).IsInt() {
		t.Fatalf("%q is no whole number of nanoseconds", n)
	}
	return r.Num().Int64()
}

// key tells slices apart by all that a test compares.
func key(parts ...any) string { return fmt.Sprintf("%v", parts) }

func TestOperationsAreExact(t *testing.T) {
	for _, in := range []track.Input{tracetest.Everything(), tracetest.Random(3), tracetest.Random(11)} {
		_, f := write(t, in)
		tl := in.Timeline
		if f.Base != tl.Window.Start || len(f.Devices) != len(tl.Devices) {
			t.Fatalf("base %d, devices %v", f.Base, f.Devices)
		}
		got := map[string]int{}
		flows := map[uint64][2]int{}
		for _, e := range f.Events {
			switch e.Cat {
			case "kernel", "gpu_memcpy", "gpu_memset", "cuda_runtime", "cuda_driver":
				got[key(e.Name, f.Base+ns(t, e.TS), ns(t, e.Dur), e.Args["stream"], e.Args["device"])]++
			case "ac2g":
				n := flows[e.ID]
				if e.Phase == "s" {
					n[0]++
				} else if e.Phase == "f" && e.BP == "e" {
					n[1]++
				}
				flows[e.ID] = n
			}
		}
		launched := 0
		for _, d := range tl.Devices {
			for i, start := range d.Ops.Start {
				name := tl.Names.String(d.Ops.Name[i])
				switch {
				case d.Ops.Kind[i] == 1:
					side := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
					name = fmt.Sprintf("Memcpy %s (%s -> %s)", d.Ops.Copy[i], side(d.Ops.Source[i].String()), side(d.Ops.Target[i].String()))
				case d.Ops.Kind[i] == 2:
					name = "Memset (Device)"
				}
				got[key(name, start, d.Ops.End[i]-start, d.Ops.Stream[i], d.Index)]--
				if d.Ops.Call[i] >= 0 {
					launched++
				}
			}
		}
		for i, start := range tl.Calls.Start {
			got[key(tl.Names.String(tl.Calls.Name[i]), start, tl.Calls.End[i]-start, nil, nil)]--
		}
		for what, n := range got {
			if n != 0 {
				t.Errorf("%d more than there were of %s", n, what)
			}
		}
		if len(flows) != launched {
			t.Errorf("%d flows, %d operations were launched", len(flows), launched)
		}
		for id, n := range flows {
			if n != [2]int{1, 1} {
				t.Errorf("flow %d begins %d times and ends %d times", id, n[0], n[1])
			}
		}
	}
}

// Slices of one thread of the format are nested: viewers take what is not for an error.
func TestThreadsAreNested(t *testing.T) {
	for seed := range uint64(100) {
		_, f := write(t, tracetest.Random(seed))
		open := map[[2]int64][]int64{}
		names := map[[2]int64]string{}
		for _, e := range f.Events {
			at := [2]int64{e.PID, e.TID}
			if e.Name == "thread_name" {
				if names[at] != "" {
					t.Fatalf("seed %d: %v is named twice", seed, at)
				}
				names[at] = e.Args["name"].(string)
			}
			if e.Phase != "X" {
				continue
			}
			if names[at] == "" {
				t.Fatalf("seed %d: %v has no name", seed, at)
			}
			start := ns(t, e.TS)
			end := start + ns(t, e.Dur)
			ends := open[at]
			for len(ends) > 0 && ends[len(ends)-1] <= start {
				ends = ends[:len(ends)-1]
			}
			if len(ends) > 0 && end > ends[len(ends)-1] {
				t.Fatalf("seed %d: %+v ends after what it is inside of", seed, e)
			}
			open[at] = append(ends, end)
		}
	}
}

func TestHostileTextStaysText(t *testing.T) {
	raw, f := write(t, tracetest.Hostile())
	if !utf8.Valid(raw) || bytes.ContainsAny(raw, "<>&\x00\x1b\x7f") || bytes.Contains(raw, []byte("\u2028")) {
		t.Error("markup or control characters are written as they are")
	}
	seen := map[string]bool{}
	for _, e := range f.Events {
		seen[e.Name] = true
		if len(e.Name) > 5000 {
			t.Errorf("a name of %d bytes", len(e.Name))
		}
	}
	for _, name := range []string{"</script><script>alert(1)</script>", "a\x00b", "\u2028\u2029", "\uFFFD not UTF-8 \uFFFD", `back\slash "quoted" 'single'`, "]}\n"} {
		if !seen[name] {
			t.Errorf("%q is not there", name)
		}
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestAFullDiskIsAnError(t *testing.T) {
	if err := chrome.Write(&full{100}, tracetest.Everything()); err == nil || !strings.Contains(err.Error(), "write the Chrome trace") {
		t.Errorf("got %v", err)
	}
}
