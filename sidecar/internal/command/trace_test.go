package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/runhistory"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// home is an environment whose user keeps the traces of two cells, In[1] and In[2].
func home(t *testing.T) (env Env, stdout, stderr *bytes.Buffer, runs []string) {
	t.Helper()
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	env = Env{Version: "1.2.3", Environ: []string{"HOME=" + t.TempDir()}, Stdout: stdout, Stderr: stderr, Width: 80, Dir: t.TempDir()}
	for _, name := range []string{"In[1]", "In[2]"} {
		in := tracetest.Everything()
		in.Cell.Name = name
		meta := tracestore.Meta{ToolVersion: "0.9", Created: time.Unix(1, 0), Source: result.Source{Kind: "cell"}, Cell: in.Cell,
			Versions: map[string]string{"arch": "amd64"}}
		w, err := env.history().Begin(meta)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Finish(in.Timeline, meta); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, w.Dir())
	}
	return env, stdout, stderr, runs
}

func TestTheTraceOfACell(t *testing.T) {
	env, stdout, stderr, runs := home(t)
	first := strings.TrimSuffix(filepath.Base(runs[0]), tracestore.Suffix)
	for words, cell := range map[string]string{"--last": "In[2]", first: "In[1]", filepath.Base(runs[0]): "In[1]", runs[0]: "In[1]"} {
		stdout.Reset()
		if code := Main(context.Background(), env, []string{"export", words, "--to", "chrome", "-o", "-"}); code != ExitOK {
			t.Fatalf("%s: exit code %d: %s", words, code, stderr)
		}
		var trace struct {
			Events []struct{ Name, Cat string }   `json:"traceEvents"`
			About  struct{ Cell, Version string } `json:"inferscope"`
		}
		if err := json.Unmarshal(stdout.Bytes(), &trace); err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, e := range trace.Events {
			found[e.Cat]++
			if e.Cat == "thread_state" && e.Name == "blocked: gil" {
				found["gil"]++
			}
		}
		if trace.About.Cell != cell || trace.About.Version != "1.2.3" || found["kernel"] != 9 || found["gil"] != 1 || found["python_function"] != 14 {
			t.Errorf("%s: %+v, %v", words, trace.About, found)
		}
	}
	stdout.Reset()
	if code := Main(context.Background(), env, []string{"export", "--last", "--to", "pprof"}); code != ExitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	want := strings.TrimSuffix(filepath.Base(runs[1]), tracestore.Suffix) + ".pb.gz"
	if _, err := os.Stat(filepath.Join(env.Dir, want)); err != nil || stdout.String() != want+"\n" {
		t.Errorf("%q, %v", stdout, err)
	}
	stdout.Reset()
	if code := Main(context.Background(), env, []string{"analyze", "--last", "-f", "json"}); code != ExitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var summary struct {
		Source struct{ Kind, Path string }
	}
	if err := json.Unmarshal(stdout.Bytes(), &summary); err != nil || summary.Source.Kind != "inferscope" || summary.Source.Path != runs[1] {
		t.Errorf("%+v, %v", summary, err)
	}
}

// What lies where the user is goes before a kept trace of that name, and a trace that is being written is not read.
func TestWhichTraceIsMeant(t *testing.T) {
	env, _, stderr, runs := home(t)
	name := filepath.Base(runs[0])
	if err := os.WriteFile(filepath.Join(env.Dir, name), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := Main(context.Background(), env, []string{"export", name, "--to", "chrome", "-o", "-"}); code != ExitUnreadable ||
		!strings.Contains(stderr.String(), "it is no trace that is known here") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	stderr.Reset()
	w, err := env.history().Begin(tracestore.Meta{Created: time.Unix(2, 0), Source: result.Source{Kind: "cell"}})
	if err != nil {
		t.Fatal(err)
	}
	defer runhistory.Discard(w)
	if code := Main(context.Background(), env, []string{"export", "--last", "--to", "chrome", "-o", "-"}); code != ExitUnreadable ||
		!strings.HasSuffix(stderr.String(), " is still being written\nhint: try again when the cell is done\n") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// ownTrace is the folder of a cell whose second line sleeps for 700 of 1000 ms.
func ownTrace(t *testing.T) string {
	t.Helper()
	const ms = 1_000_000
	b := timeline.NewBuilder()
	main := b.Thread(1, 1)
	main.SetMain()
	main.SetKnown(timeline.Interval{Start: 0, End: 1000 * ms})
	main.AppendLine(0, 1, 1, false)
	main.AppendLine(300*ms, 2, 2, false)
	main.AppendOffCPU(300*ms, 1000*ms, 1000*ms, timeline.ReasonSleep, 230, 0, 0)
	dir := filepath.Join(t.TempDir(), "cell.inferscope")
	meta := tracestore.Meta{Cell: result.Cell{Lines: []string{"work()", "time.sleep(0.7)"}, Outcome: "ok", Name: "In [3]"},
		Versions: map[string]string{"arch": "amd64"}}
	if err := tracestore.Write(dir, b.Build(timeline.Interval{Start: 0, End: 1000 * ms}), meta); err != nil {
		t.Fatal(err)
	}
	return dir
}

func analyzed(words ...string) (code int, stdout, stderr string) {
	var out, failures bytes.Buffer
	env := Env{Version: "1.2.3", Stdout: &out, Stderr: &failures, Width: 80, Dir: "/"}
	code = Main(context.Background(), env, append([]string{"analyze"}, words...))
	return code, out.String(), failures.String()
}

func TestAnalyzeReadsTheTraceOfACell(t *testing.T) {
	dir := ownTrace(t)
	code, stdout, stderr := analyzed(dir, "--format", "json")
	var summary struct {
		Source struct{ Kind, Path string }
		WallNs int64 `json:"wall_ns"`
		Host   struct {
			Lines []struct {
				Line   int
				HostNs int64 `json:"host_ns"`
				Text   string
			}
		}
	}
	if err := json.Unmarshal([]byte(stdout), &summary); err != nil || code != ExitOK {
		t.Fatal(code, err, stderr)
	}
	if s := summary; s.Source.Kind != "inferscope" || s.Source.Path != dir || s.WallNs != 1e9 || len(s.Host.Lines) != 2 {
		t.Fatalf("%+v", s)
	}
	found := false
	for _, l := range summary.Host.Lines {
		found = found || l.Line == 2 && l.HostNs == 700_000_000 && l.Text == "time.sleep(0.7)"
	}
	if !found {
		t.Errorf("%+v", summary.Host.Lines)
	}
	if code, stdout, _ = analyzed(dir); code != ExitOK || !strings.Contains(stdout, "time.sleep(0.7)") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
}

func TestAnalyzeRefusesAFolderThatIsNoTrace(t *testing.T) {
	dir := ownTrace(t)
	if code, _, stderr := analyzed(dir, "--step", "4"); code != ExitUsage || !strings.Contains(stderr, "other tools") {
		t.Errorf("a step of a cell: exit code %d, %s", code, stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, tracestore.ManifestName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "manifest.json: byte 1", t.TempDir(): "this is no trace"} {
		if code, _, stderr := analyzed(path); code != ExitUnreadable || !strings.Contains(stderr, want) || !strings.Contains(stderr, path) {
			t.Errorf("%s: exit code %d, %s", path, code, stderr)
		}
	}
}
