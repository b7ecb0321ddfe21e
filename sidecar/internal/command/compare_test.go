package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/runhistory"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// sleeping is a cell whose second line sleeps for so many ms.
func sleeping(ms int64) (*timeline.Timeline, tracestore.Meta) {
	b := timeline.NewBuilder()
	main := b.Thread(1, 1)
	main.SetMain()
	end := (100 + ms) * 1_000_000
	main.SetKnown(timeline.Interval{Start: 0, End: end})
	main.AppendLine(0, 1, 1, false)
	main.AppendLine(100_000_000, 2, 2, false)
	main.AppendOffCPU(100_000_000, end, end, timeline.ReasonSleep, 230, 0, 0)
	return b.Build(timeline.Interval{Start: 0, End: end}), tracestore.Meta{Versions: map[string]string{"arch": "amd64"},
		Cell: result.Cell{Lines: []string{"work()", fmt.Sprintf("time.sleep(0.%d)", ms/100)}, Outcome: "ok"}}
}

// comparing runs words in a folder with traces of cells that sleep for as many ms as their names say, and with a history of two runs.
func comparing(t *testing.T, words ...string) (folder string, code int, stdout, stderr string) {
	t.Helper()
	folder = t.TempDir()
	for _, ms := range []int64{400, 410, 420, 430, 100, 110, 120, 130} {
		tl, meta := sleeping(ms)
		if err := tracestore.Write(filepath.Join(folder, fmt.Sprint(ms)), tl, meta); err != nil {
			t.Fatal(err)
		}
	}
	history := runhistory.New(runhistory.Options{Dir: filepath.Join(folder, "runs"), Runs: 5, Bytes: 1 << 30})
	for _, ms := range []int64{400, 100} {
		tl, meta := sleeping(ms)
		w, err := history.Begin(meta)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Finish(tl, meta); err != nil {
			t.Fatal(err)
		}
	}
	slower := strings.Replace(smallTrace, `"dur":90000`, `"dur":91000`, 1)
	for name, content := range map[string]string{"old.json": smallTrace, "new.json": slower, "summary.json": `{"schema": "inferscope.summary/1"}`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, failures bytes.Buffer
	env := Env{Version: "1.2.3", Stdout: &out, Stderr: &failures, Width: 80, Dir: folder, Environ: []string{"INFERSCOPE_HISTORY_PATH=" + filepath.Join(folder, "runs")}}
	code = Main(context.Background(), env, append([]string{"compare"}, words...))
	return folder, code, out.String(), failures.String()
}

func TestCompare(t *testing.T) {
	for words, want := range map[string][]string{
		"400 100":  {"Faster: 500 ms → 200 ms (−60%, beyond the noise of ±5%).", "Line 2 (`time.sleep(0.1)`), which was `time.sleep(0.4)`, took 300 ms less, mostly", "WHAT CHANGED, BY LINE"},
		"100 400":  {"Slower: 200 ms → 500 ms (+150%"},
		"400 410":  {"No difference that can be told from noise: 500 ms → 510 ms (+2%, noise of ±5%)."},
		"--last 2": {"Faster: 500 ms → 200 ms"},
		"400 410 420 430 --to 100 --to 110 --to=120 --to 130": {"Faster: 510 ms → 210 ms", "4 runs from 500 ms to 530 ms; in the middle: 410, 510 ms", "by Hodges and Lehmann's method"},
		"400 410 --to 100":  {"Faster", "by Student's", "2 runs"},
		"old.json new.json": {"No difference that can be told from noise: 100 ms → 100 ms", "THE GPU"},
		"400 old.json":      {"The runs cannot be compared as a whole, for they were recorded by different tools"},
	} {
		_, code, stdout, stderr := comparing(t, strings.Fields(words)...)
		if code != ExitOK || stderr != "" {
			t.Errorf("%s: exit code %d, %s", words, code, stderr)
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(strings.Fields(stdout), " "), w) {
				t.Errorf("%s: no %q in\n%s", words, w, stdout)
			}
		}
	}
}

// The same training with its data loaded in four processes and in its own: the words say that this is the difference.
func TestCompareNamesTheDataLoader(t *testing.T) {
	folder := tracetest.RealTraces(t)
	env := Env{Width: 200, Dir: folder, Environ: []string{"HOME=" + t.TempDir()}}
	const alone, four = "tb_resnet50_nw0_1623143089861_v100.json.gz", "tb_resnet50_nw4_1623212756351_v100.json.gz"
	for _, c := range []struct{ before, after, outcome, much, finding string }{
		{alone, four, "Faster: 1.07 s → 847 ms (−21%, beyond the noise of ±5%).", "less", "GONE The GPU waits for data"},
		{four, alone, "Slower: 847 ms → 1.07 s (+26%, beyond the noise of ±5%).", "more", "NEW The GPU waits for data"},
	} {
		var out, failures bytes.Buffer
		env.Stdout, env.Stderr = &out, &failures
		if code := Main(context.Background(), env, []string{"compare", c.before, c.after}); code != ExitOK {
			t.Fatal(code, &failures)
		}
		text := strings.Join(strings.Fields(out.String()), " ")
		if want := c.outcome + " Loading data took 410 ms " + c.much + ". "; !strings.HasPrefix(text, want) {
			t.Errorf("it begins with %.150s", text)
		}
		_, causes, _ := strings.Cut(text, "WHAT CHANGED, BY CAUSE change before after cause ")
		_, idle, _ := strings.Cut(text, "THE GPU'S IDLE TIME, BY CAUSE change before after cause ")
		for part, list := range map[string]string{"causes": causes, "idle time": idle} {
			if first := strings.Join(strings.Fields(list)[:8], " "); !strings.HasSuffix(first, " loading data") {
				t.Errorf("%s → %s: the first of the %s is %q", c.before, c.after, part, first)
			}
		}
		if !strings.Contains(text, c.finding) {
			t.Errorf("no %q in %s", c.finding, text)
		}
	}
}

func TestCompareFormats(t *testing.T) {
	for words, want := range map[string]string{"-o r.html": "<!doctype html>", "-o r.md": "**Faster", "-o r.json": "{", "-o r": "Faster"} {
		folder, code, stdout, stderr := comparing(t, append([]string{"400", "100"}, strings.Fields(words)...)...)
		content, err := os.ReadFile(filepath.Join(folder, strings.Fields(words)[1]))
		if code != ExitOK || stdout != "" || stderr != "" || err != nil || !bytes.HasPrefix(content, []byte(want)) {
			t.Errorf("%s: exit code %d, %q %q, %v, %.40q", words, code, stdout, stderr, err, content)
		}
	}
	_, _, stdout, _ := comparing(t, "400", "100", "--format", "json")
	var document struct {
		Schema, Outcome string
		Wall            struct{ Before, After, Diff int64 } `json:"wall_ns"`
		Lines           []struct {
			Match string
			Wall  struct{ Diff int64 } `json:"wall_ns"`
		}
	}
	if err := json.Unmarshal([]byte(stdout), &document); err != nil || document.Schema != "inferscope.compare/1" || document.Outcome != "faster" ||
		document.Wall.Diff != -300_000_000 || document.Lines[0].Match != "edited" || document.Lines[0].Wall.Diff != -300_000_000 {
		t.Errorf("%v, %+v", err, document)
	}
	if _, code, _, stderr := comparing(t, "400", "100", "-o", "absent/r.md"); code != ExitUnwritten || !strings.Contains(stderr, "the comparison cannot be written to absent/r.md") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestCompareRefuses(t *testing.T) {
	for words, want := range map[string]struct {
		code   int
		stderr string
	}{
		"":                   {ExitUsage, "compare needs two runs\nhint: name two, or write --last 2"},
		"400":                {ExitUsage, "compare needs two runs"},
		"400 100 110":        {ExitUsage, "compare needs --to to tell the sides of 3 runs apart"},
		"--to 100":           {ExitUsage, "compare needs a RUN before those of --to"},
		"--last 1":           {ExitUsage, `--last must be a number from 2 to 64; it is "1"`},
		"--last x":           {ExitUsage, `--last must be a number from 2 to 64; it is "x"`},
		"--last 2 400":       {ExitUsage, "--last chooses the runs itself"},
		"400 absent":         {ExitUnreadable, `there is no trace and no kept run "absent"`},
		"400 a/b":            {ExitUnreadable, "a/b cannot be opened: no such file or directory"},
		"400 summary.json":   {ExitUnreadable, "summary.json is a summary"},
		"400 100 --format x": {ExitUsage, `--format may not be "x"`},
		"400 100 --to 110":   {ExitUsage, "400 and 100 are not runs of the same code"},
	} {
		_, code, stdout, stderr := comparing(t, strings.Fields(words)...)
		if code != want.code || stdout != "" || !strings.Contains(stderr, want.stderr) || !strings.HasPrefix(stderr, "inferscope: ") || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%s: exit code %d, want %d: %s", words, code, want.code, stderr)
		}
	}
}
