package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile"
)

// exportIn runs `export` in a folder with a trace, good.json, and one that is none.
func exportIn(t *testing.T, ctx context.Context, terminal bool, words ...string) (folder string, code int, stdout, stderr string) {
	t.Helper()
	folder = t.TempDir()
	for name, content := range map[string]string{"good.pt.trace.json": smallTrace, "taken.json": smallTrace, "cut.json": smallTrace[:200], "taken.pftrace": "mine"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out, failures bytes.Buffer
	env := Env{Version: "1.2.3", Environ: []string{"HOME=" + folder}, Stdout: &out, Stderr: &failures, Width: 80, Dir: folder, Terminal: terminal}
	code = Main(ctx, env, append([]string{"export"}, words...))
	return folder, code, out.String(), failures.String()
}

func TestExport(t *testing.T) {
	for _, e := range tracefile.Exporters() {
		folder, code, stdout, stderr := exportIn(t, context.Background(), false, "good.pt.trace.json", "--to", e.Name)
		if code != ExitOK || stderr != "" || stdout != "good"+e.Extension+"\n" {
			t.Fatalf("%s: exit code %d, %q %q", e.Name, code, stdout, stderr)
		}
		file, err := os.ReadFile(filepath.Join(folder, "good"+e.Extension))
		if err != nil {
			t.Fatal(err)
		}
		_, code, piped, stderr := exportIn(t, context.Background(), false, "good.pt.trace.json", "--to="+e.Name, "-o-")
		if code != ExitOK || stderr != "" || piped != string(file) {
			t.Errorf("%s: what goes to standard output is another file: %d and %d bytes, %q", e.Name, len(piped), len(file), stderr)
		}
		folder, code, stdout, _ = exportIn(t, context.Background(), false, "good.pt.trace.json", "--to", e.Name, "-o", "taken.pftrace")
		again, _ := os.ReadFile(filepath.Join(folder, "taken.pftrace"))
		if code != ExitOK || stdout != "taken.pftrace\n" || !bytes.Equal(again, file) {
			t.Errorf("%s: exit code %d, %q: a file that is named is replaced", e.Name, code, stdout)
		}
		if left, _ := filepath.Glob(filepath.Join(folder, ".*")); len(left) > 0 {
			t.Errorf("%s: left behind: %q", e.Name, left)
		}
	}
}

func TestWhatIsExportedIsTheTrace(t *testing.T) {
	_, _, stdout, _ := exportIn(t, context.Background(), false, "good.pt.trace.json", "--to", "chrome", "-o", "-")
	var trace struct {
		Events []struct {
			Name, Cat string
			Dur       json.Number
		} `json:"traceEvents"`
		About struct{ Version, Cell string } `json:"inferscope"`
	}
	if err := json.Unmarshal([]byte(stdout), &trace); err != nil {
		t.Fatal(err)
	}
	kernels := 0
	for _, e := range trace.Events {
		if e.Cat == "kernel" {
			kernels++
			if e.Name != "<script>" || e.Dur != "1000.001" {
				t.Errorf("a kernel is %+v", e)
			}
		}
	}
	if kernels != 1 || trace.About.Version != "1.2.3" || trace.About.Cell != "good.pt.trace.json" {
		t.Errorf("%d kernels, %+v", kernels, trace.About)
	}
	_, _, stdout, _ = exportIn(t, context.Background(), false, "good.pt.trace.json", "--to", "pprof", "-o", "-", "--step", "4")
	p, err := profile.ParseData([]byte(stdout))
	if err != nil || p.DurationNanos != 100_000_000 {
		t.Errorf("of the step: %v, %v", p, err)
	}
}

func TestExportRefuses(t *testing.T) {
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for words, want := range map[string]struct {
		ctx      context.Context
		terminal bool
		code     int
		stderr   string
	}{
		"good.pt.trace.json":                         {code: ExitUsage, stderr: "export needs --to FORMAT\nhint: it is one of perfetto, chrome, pprof"},
		"good.pt.trace.json --to perfeto":            {code: ExitUsage, stderr: "did you mean perfetto?"},
		"--to pprof":                                 {code: ExitUsage, stderr: "export needs TRACE\nhint: name a file, or take the last profiled cell with --last"},
		"--to pprof --last":                          {code: ExitUnreadable, stderr: "no trace of a profiled cell is kept\nhint: "},
		"x --to pprof --last":                        {code: ExitUsage, stderr: "export takes TRACE or --last, not both"},
		"folder --to pprof":                          {code: ExitUnreadable, stderr: "folder cannot be read: manifest.json: "},
		"folder --to pprof --step 3":                 {code: ExitUsage, stderr: "--device and --step are for the traces of other tools"},
		"cut.json --to pprof":                        {code: ExitUnreadable, stderr: "cut.json cannot be read: byte 200: the trace ends too early\nhint: "},
		"absent.json --to pprof":                     {code: ExitUnreadable, stderr: "no such file or directory"},
		"good.pt.trace.json --to pprof --device 3":   {code: ExitUsage, stderr: `the trace has no device "3"`},
		"good.pt.trace.json --to pprof -o absent/x":  {code: ExitUnwritten, stderr: "the pprof file cannot be written to absent/x: no such file or directory\nhint: "},
		"taken.json --to perfetto":                   {code: ExitUnwritten, stderr: "there is a file taken.pftrace already\nhint: "},
		"good.pt.trace.json --to perfetto -o -":      {terminal: true, code: ExitUsage, stderr: "a perfetto file is nothing to read on a terminal\nhint: "},
		"good.pt.trace.json --to chrome -o x.json":   {ctx: stopped, code: ExitInterrupted, stderr: "interrupted"},
		"good.pt.trace.json --to pprof -o /dev/full": {code: ExitUnwritten, stderr: "the pprof file cannot be written to /dev/full: "},
	} {
		ctx := want.ctx
		if ctx == nil {
			ctx = context.Background()
		}
		folder, code, stdout, stderr := exportIn(t, ctx, want.terminal, strings.Fields(words)...)
		if code != want.code || stdout != "" || !strings.Contains(stderr, want.stderr) || strings.Count(stderr, "\n") > 2 {
			t.Errorf("%s: exit code %d, want %d: %q %q", words, code, want.code, stdout, stderr)
		}
		if taken, err := os.ReadFile(filepath.Join(folder, "taken.pftrace")); err != nil || string(taken) != "mine" {
			t.Errorf("%s: a file that was there is %q, %v", words, taken, err)
		}
		if left, _ := filepath.Glob(filepath.Join(folder, ".*")); len(left) > 0 {
			t.Errorf("%s: left behind: %q", words, left)
		}
	}
}

func TestBareNames(t *testing.T) {
	for path, want := range map[string]string{"a/b.pt.trace.json.gz": "b", "run.inferscope": "run", "x.sqlite": "x", ".json": ".json", "plain": "plain", "a.b.json": "a.b"} {
		if got := bareName(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
