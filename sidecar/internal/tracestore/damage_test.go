package tracestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/timeline"
)

func randomTrace(t *testing.T) (string, *timeline.Timeline) {
	t.Helper()
	b := timeline.NewBuilder()
	tl := b.Build(fill(rand.New(rand.NewPCG(4, 4)), b, 500, 1000))
	return write(t, tl, exampleMeta(), DefaultOptions()), tl
}

// A part that is damaged or missing is named, and every other table is as it was.
func TestDamagedPartIsNamedAndTheRestIsRead(t *testing.T) {
	for _, table := range []string{tableScheduler, tableLines, tableDeviceOps, tableCalls, tableNames, tableStacks, tableThreads} {
		for _, how := range []string{"damaged", "cut", "missing", "link"} {
			dir, whole := randomTrace(t)
			file := table + "-00000.parquet"
			path := filepath.Join(dir, file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			switch how {
			case "damaged":
				text[20] ^= 0x55 // in the first page: its checksum fails
				err = os.WriteFile(path, text, 0o600)
			case "cut":
				err = os.WriteFile(path, text[:len(text)/2], 0o600)
			case "missing":
				err = os.Remove(path)
			case "link":
				if err = os.Rename(path, path+".other"); err == nil {
					err = os.Symlink(path+".other", path)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			tl, _ := open(t, dir)
			if !lost(tl, file) {
				t.Errorf("%s %s: no loss names it: %v", table, how, tl.Losses)
			}
			if how == "damaged" && !lost(tl, "row group 0") {
				t.Errorf("%s: no loss names the row group: %v", table, tl.Losses)
			}
			if table != tableLines && tl.Threads[1].Lines.Len() != whole.Threads[1].Lines.Len() {
				t.Errorf("%s %s: %d lines of %d", table, how, tl.Threads[1].Lines.Len(), whole.Threads[1].Lines.Len())
			}
			if table == tableNames { // every table holds its names itself
				got := tl.Names.String(tl.Devices[0].Ops.Name[0])
				if want := whole.Names.String(whole.Devices[0].Ops.Name[0]); got != want {
					t.Errorf("a kernel is called %q, want %q", got, want)
				}
			}
			if table == tableThreads && (tl.Threads[1].Name != whole.Threads[1].Name || tl.Threads[1].TID != whole.Threads[1].TID) {
				t.Errorf("thread 1 is %q, want %q", tl.Threads[1].Name, whole.Threads[1].Name)
			}
		}
	}
}

func TestManifestIsHostile(t *testing.T) {
	dir, _ := randomTrace(t)
	path := filepath.Join(dir, ManifestName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"traversal":      {`"file": "calls-00000.parquet"`, `"file": "../calls-00000.parquet"`, "no file of a trace"},
		"absolute":       {`"file": "calls-00000.parquet"`, `"file": "/etc/passwd"`, "no file of a trace"},
		"another table":  {`"file": "calls-00000.parquet"`, `"file": "lines-00000.parquet"`, "no file of a trace"},
		"a newer format": {`"format": 1`, `"format": 2`, "newer"},
		"no format":      {`"format": 1`, `"format": 0`, "does not exist"},
		"not JSON":       {`{`, `[`, "byte"},
		"window":         {`"start_ns"`, `"start_ns": 9000000000000000000, "x"`, "impossible"},
	} {
		if err := os.WriteFile(path, bytes.Replace(text, []byte(c.from), []byte(c.to), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Open(dir)
		var of *TraceError
		if !errors.As(err, &of) || of.Path != dir || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no trace") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, _, err := Open(filepath.Join(t.TempDir(), "nothing")); err == nil {
		t.Error("a folder that is not there")
	}
}

// Tables whose rows contradict the model and one another give a timeline that keeps it.
func TestContradictingTraceIsRepaired(t *testing.T) {
	dir, _ := randomTrace(t)
	other := timeline.NewBuilder()
	wild := fill(rand.New(rand.NewPCG(8, 8)), other, 300, 0)
	elsewhere := write(t, other.Build(wild), exampleMeta(), DefaultOptions())
	for _, table := range []string{tableCalls, tableScheduler, tableThreads, tableSamples} {
		file := table + "-00000.parquet"
		if err := os.Rename(filepath.Join(elsewhere, file), filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	tl, _ := open(t, dir)
	if !lost(tl, "contradict the format") {
		t.Errorf("no loss says so: %v", tl.Losses)
	}
}

// Whatever a manifest says, a trace without parts can be opened and analysed, or is refused.
func FuzzManifest(f *testing.F) {
	b := timeline.NewBuilder()
	m := describe(b.Build(fill(rand.New(rand.NewPCG(2, 2)), b, 5, 100)), exampleMeta())
	text, err := json.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	m.Complete, m.Parts = true, []partInfo{{Table: "calls", File: "calls-00000.parquet", Rows: 5}, {Table: "a", File: "../a"}}
	text, err = json.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1,"complete":true,"window":{"start_ns":-5,"end_ns":9223372036854775807}}`))
	f.Add([]byte(`{"format":1,"process":{"cpus":1000000000,"numa":[{"node":-1}]},"sensors":[{"gpm":{}}],"counters":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		if err != nil {
			return
		}
		for _, p := range m.Parts {
			if p.File != filepath.Base(p.File) || !strings.HasSuffix(p.File, ".parquet") {
				t.Fatalf("the part %q would be opened", p.File)
			}
		}
		tl := newAssembler(m).finish(false)
		if err := tl.Check(); err != nil {
			t.Fatal(err)
		}
		meta := m.meta()
		analysis.Analyze(tl, analysis.Input{Source: meta.Source, Cell: meta.Cell, Collectors: meta.Collectors, Functions: meta.Functions})
	})
}
