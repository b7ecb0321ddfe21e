package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const smallTrace = `{"traceEvents":[
	{"ph":"X","cat":"user_annotation","name":"ProfilerStep#4","pid":5,"tid":6,"ts":0,"dur":100000},
	{"ph":"X","cat":"cpu_op","name":"aten::add","pid":5,"tid":6,"ts":10,"dur":90000},
	{"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":5,"tid":6,"ts":90005,"dur":5,"args":{"correlation":1}},
	{"ph":"X","cat":"kernel","name":"<script>","pid":0,"tid":7,"ts":90020,"dur":1000.001,"args":{"device":0,"stream":7,"correlation":1}}]}`

// analyse runs words in a folder that holds a trace, good.json, and others that are none.
func analyse(t *testing.T, words ...string) (folder string, code int, stdout, stderr string) {
	t.Helper()
	folder = t.TempDir()
	for name, content := range map[string]string{"good.json": smallTrace, "cut.json": smallTrace[:200], "other.txt": "hello"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, failures bytes.Buffer
	env := Env{Version: "1.2.3", Stdout: &out, Stderr: &failures, Width: 80, Dir: folder}
	code = Main(context.Background(), env, append([]string{"analyze"}, words...))
	return folder, code, out.String(), failures.String()
}

func TestAnalyze(t *testing.T) {
	_, code, stdout, stderr := analyse(t, "good.json")
	if code != ExitOK || stderr != "" || !strings.HasPrefix(stdout, "The GPU was idle 99% of the trace's 100 ms") || strings.Contains(stdout, "the cell") ||
		!strings.Contains(stdout, "InferScope 1.2.3, good.json.") {
		t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
	}
	_, _, stdout, _ = analyse(t, "good.json", "--format", "json")
	var summary struct {
		Source  struct{ Kind, Path string }
		WallNs  int64 `json:"wall_ns"`
		Devices []struct {
			BusyNs int64 `json:"busy_ns"`
		}
		Verdict struct {
			Class    string
			TopCause string `json:"top_cause"`
		}
	}
	if err := json.Unmarshal([]byte(stdout), &summary); err != nil {
		t.Fatal(err)
	}
	if s := summary; s.Source.Kind != "kineto" || s.Source.Path != "good.json" || s.WallNs != 100_000_000 || s.Devices[0].BusyNs != 1_000_001 ||
		s.Verdict.Class != "cpu_bound" || s.Verdict.TopCause != "framework" {
		t.Errorf("%+v", summary)
	}
	if _, _, stdout, _ = analyse(t, "good.json", "--step", "4", "--device", "0"); !strings.Contains(stdout, `Only "ProfilerStep#4"`) {
		t.Errorf("the step is not named: %s", stdout)
	}
}

func TestWhereAReportGoes(t *testing.T) {
	for words, want := range map[string]string{"-o r.html": "<!doctype html>", "-o r.HTM": "<!doctype html>", "-o r.json": "{", "-o r.md": "**", "-o r.txt": "The GPU",
		"-o r.unknown": "The GPU", "-o r.json -f text": "The GPU"} {
		folder, code, stdout, stderr := analyse(t, append([]string{"good.json"}, strings.Fields(words)...)...)
		path := filepath.Join(folder, strings.Fields(words)[1])
		content, err := os.ReadFile(path)
		if code != ExitOK || stdout != "" || stderr != "" || err != nil || !bytes.HasPrefix(content, []byte(want)) {
			t.Errorf("%s: exit code %d, %q %q, %v, %.40q", words, code, stdout, stderr, err, content)
		}
		if bytes.Count(content, []byte("<script>")) > 1 && !strings.HasSuffix(path, ".json") && want == "<!doctype html>" {
			t.Errorf("%s: a kernel's name is markup", words)
		}
		if left, _ := filepath.Glob(filepath.Join(folder, ".*")); len(left) > 0 {
			t.Errorf("%s: left behind: %q", words, left)
		}
	}
	if _, code, stdout, _ := analyse(t, "good.json", "-o", "-"); code != ExitOK || !strings.HasPrefix(stdout, "The GPU") {
		t.Errorf("-o -: exit code %d, %s", code, stdout)
	}
	if _, code, _, stderr := analyse(t, "good.json", "-o", "absent/r.html"); code != ExitUnwritten ||
		stderr != "inferscope: the report cannot be written to absent/r.html: no such file or directory\nhint: name a place where you may write, with room, by -o\n" {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestAnalyzeRefuses(t *testing.T) {
	for words, want := range map[string]struct {
		code   int
		stderr string
	}{
		"cut.json":                   {ExitUnreadable, "cut.json cannot be read: byte 200: the trace ends too early\nhint: "},
		"other.txt":                  {ExitUnreadable, "other.txt cannot be read: byte 0: it is no trace that is known here\nhint: it may be a trace of the PyTorch profiler, or another tool's in Chrome's JSON format, or an SQLite export of Nsight Systems (`nsys export"},
		"absent.json":                {ExitUnreadable, "absent.json cannot be read: it cannot be opened: no such file or directory\nhint: "},
		".":                          {ExitUnreadable, ". cannot be read: manifest.json: there is none, so this is no trace\nhint: "},
		"good.json --device 1":       {ExitUsage, `the trace has no device "1"; it has 0`},
		"good.json --step 5":         {ExitUsage, `the trace has no step "5"; it has "ProfilerStep#4"`},
		"good.json --step=":          {ExitUsage, "--step is empty"},
		"good.json --device -1":      {ExitUsage, `--device may not be "-1"`},
		"good.json --device x":       {ExitUsage, `--device may not be "x"`},
		"good.json --device 1e3":     {ExitUsage, `--device may not be "1e3"`},
		"good.json --format xml":     {ExitUsage, `--format may not be "xml"`},
		"":                           {ExitUsage, "analyze needs TRACE"},
		"good.json cut.json":         {ExitUsage, "no place for"},
		"good.json --device=9999999": {ExitUsage, "has no device"},
	} {
		_, code, stdout, stderr := analyse(t, strings.Fields(words)...)
		if code != want.code || stdout != "" || !strings.Contains(stderr, want.stderr) || !strings.HasPrefix(stderr, "inferscope: ") || strings.Count(stderr, "\n") > 2 {
			t.Errorf("%s: exit code %d, want %d: %s", words, code, want.code, stderr)
		}
	}
}

func TestExplain(t *testing.T) {
	for words, want := range map[string]struct {
		code   int
		stdout string
		stderr string
	}{
		"framework":           {ExitOK, "running framework code (framework)\n  - It means: the host was on a CPU inside a framework's operator or a launch\n    call.\n", ""},
		"framework -o x.md":   {ExitOK, "", ""},
		"framework -f md":     {ExitOK, "**running framework code** (`framework`)\n\n- It means: ", ""},
		"gil_wait":            {ExitOK, "waiting for the GIL (gil_wait)\n  - It would mean: ", ""},
		"cpu-only-section":    {ExitFailed, "", "nothing here is due to cpu-only-section\nhint: there is "},
		"device_wait":         {ExitFailed, "", "nothing here is due to device_wait\nhint: there is "},
		"framewrok":           {ExitUsage, "", "there is no finding and no cause \"framewrok\"\nhint: did you mean framework? there is "},
		"sleeep":              {ExitUsage, "", "there is no finding and no cause \"sleeep\"\nhint: did you mean sleep? there is "},
		"\x1b[1mx":            {ExitUsage, "", `there is no finding and no cause "\x1b[1mx"`},
		"framework -f json":   {ExitUsage, "", "--explain has no form as json\nhint: write it as text or md"},
		"framework -o x.html": {ExitUsage, "", "--explain has no form as html"},
	} {
		_, code, stdout, stderr := analyse(t, append([]string{"good.json", "--explain"}, strings.Fields(words)...)...)
		if code != want.code || !strings.HasPrefix(stdout, want.stdout) || !strings.Contains(stderr, want.stderr) || (want.stdout == "") != (stdout == "") {
			t.Errorf("%s: exit code %d, %q %q", words, code, stdout, stderr)
		}
	}
}
