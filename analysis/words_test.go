package analysis

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

// What a reader is told of everyday cells. Each text was once wrong, or of no use.
func TestWhatIsSaidOfEverydayCells(t *testing.T) {
	const head = "window 0s 1s\nsource\n%%inferscope\n"
	const main = "end\nthread MainThread main python known period=10ms\nline MainThread 0s 1\nline MainThread 1ms 2\n"
	for name, c := range map[string]struct {
		text      string
		says, not []string
		findings  string
	}{
		"a cell of imports is calm": {
			text: head + "import numpy\n" + main + `stack imp read@<frozen~importlib._bootstrap_external>:9 <module>@<cell>:2
off MainThread 2ms 370ms 400ms disk syscall=read stack=imp
repeat 60 every 10ms
sample MainThread 401ms fault stack=imp
end`,
			says: []string{"Nothing stands out: almost all of the cell's 1 s was spent importing modules on line 2", "It happens once a process"},
			not:  []string{"importlib", "np.load", "out="}, findings: "import-in-cell"},
		"imports beside work are told, their files are not": {
			text: head + "import numpy\nwork()\n" + main + `stack imp read@<frozen~importlib._bootstrap_external>:9 <module>@<cell>:2
off MainThread 2ms 300ms 300ms disk syscall=read stack=imp
line MainThread 300ms 3
repeat 70 every 10ms
sample MainThread 301ms native module=/lib/libblas.so
end`,
			says: []string{"Put imports into a cell of their own"}, not: []string{"np.load"}, findings: "import-in-cell"},
		"a result is no lock": {
			text: head + "list(pool.map(f, xs))\n" + main + `thread worker python known
stack result Condition.wait@/usr/lib/python3.12/threading.py:300 Future.result@/usr/lib/python3.12/concurrent/futures/_base.py:440 <module>@<cell>:2
off MainThread 2ms 990ms 990ms lock waker=worker stack=result
off worker 0s 989ms 989ms sleep`,
			says: []string{"spent waiting for another thread on line 2", `it waited for thread "worker", which was asleep`}, not: []string{"for a lock", "with lock"},
			findings: "lock-contention"},
		"an event loop": {
			text: head + "await asyncio.gather(*tasks)\n" + main + `stack loop EpollSelector.select@/usr/lib/python3.12/selectors.py:468 <module>@<cell>:2
off MainThread 2ms 990ms 990ms poll syscall=epoll_wait stack=loop`,
			says: []string{"The event loop had nothing to run for 990 ms"}, not: []string{"pool.imap"}, findings: "event-wait"},
		"writes": {
			text: head + "f.write(b)\n" + main + "off MainThread 2ms 990ms 990ms disk syscall=fsync",
			says: []string{"File reads and writes (fsync)", "sync less often"}, not: []string{"np.load"}, findings: "host-io"},
		"the collector runs by itself": {
			text: head + "rows = [[i] for i in xs]\n" + main + "gc MainThread 2ms 500ms gen=2",
			says: []string{"It runs by itself", "gc.disable()"}, not: []string{"gc.collect()"}, findings: "gc-pauses"},
		"the collector is called": {
			text: head + "gc.collect()\n" + main + "gc MainThread 2ms 500ms gen=2",
			says: []string{"Remove calls of `gc.collect()`"}, findings: "gc-pauses"},
		"objects take memory": {
			text: head + "rows = [[i] for i in xs]\n" + main + `repeat 33 every 30ms
sample MainThread 2ms fault
sample MainThread 12ms python
sample MainThread 22ms python
end`,
			says: []string{"makes many Python objects"}, not: []string{"np.empty", "minor"}, findings: "page-faults"},
	} {
		r := analyzed(t, "ok", c.text)
		said := r.Verdict.Sentence
		ids := map[string]bool{}
		for _, f := range r.Findings {
			said += "\n" + strings.Join([]string{f.Title, f.Evidence, f.Advice, f.Before, f.After}, "\n")
			ids[f.ID] = true
		}
		if !ids[c.findings] {
			t.Errorf("%s: no finding %s", name, c.findings)
		}
		for _, want := range c.says {
			if !strings.Contains(said, want) {
				t.Errorf("%s: %q is missing from:\n%s", name, want, said)
			}
		}
		for _, bad := range c.not {
			if strings.Contains(said, bad) {
				t.Errorf("%s: %q is in:\n%s", name, bad, said)
			}
		}
	}
}

// A short cell gets a calm answer, whatever its few samples say and however old the kernel's account is.
func TestShortCellsAreCalm(t *testing.T) {
	for name, text := range map[string]string{
		"nothing sampled": "window 0s 2ms\nsource\nx = 1\nend\nthread m main known period=2ms cpu=0s\nline m 0s 1",
		"one sample":      "window 0s 2ms\nsource\nx = 1\nend\nthread m main known period=2ms cpu=0s\nline m 0s 1\nsample m 1ms syscall syscall=munmap",
		"a short wait":    "window 0s 9ms\nsource\nx = 1\nend\nthread m main known period=2ms\nline m 0s 1\noff m 1ms 8ms 8ms sleep",
	} {
		r := analyzed(t, "ok", text)
		if !strings.HasSuffix(r.Verdict.Sentence, "ms: nothing in it is worth a change.") {
			t.Errorf("%s: %s", name, r.Verdict.Sentence)
		}
	}
	text := "window 0s 18ms\nsource\nx = 1\nend\nthread m main known period=2ms cpu=10ms\nline m 0s 1\nrepeat 8 every 2ms\nsample m 1ms fault\nend"
	if r := analyzed(t, "ok", text); !strings.HasPrefix(r.Verdict.Sentence, "Nothing stands out: ") || r.Verdict.Class != result.CPUBound {
		t.Errorf("%s (%s)", r.Verdict.Sentence, r.Verdict.QualityWhy)
	}
}

// A script is no cell, and is not called one.
func TestAScriptIsCalledOne(t *testing.T) {
	f, err := fixture.Parse("window 0s 1s\nsource\nimport time\ntime.sleep(1)\nend\nthread MainThread main python known period=10ms\n" +
		"line MainThread 0s 1\nline MainThread 1ms 2\noff MainThread 2ms 990ms 990ms sleep")
	if err != nil {
		t.Fatal(err)
	}
	r := Analyze(f.Timeline, Input{Source: result.Source{Kind: result.KindScript}, Cell: result.Cell{Lines: f.Source, Outcome: "ok"}})
	said := r.Verdict.Sentence + r.Findings[0].Title + r.Findings[0].Evidence
	if strings.Contains(said, "cell") || !strings.Contains(said, "the script's 1 s") || !strings.Contains(said, "The script sleeps") {
		t.Errorf("said %q", said)
	}
}
