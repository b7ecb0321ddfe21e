package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

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
