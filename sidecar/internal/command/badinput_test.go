package command

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// readsTrace are the command lines that read the trace at the end of them, and what they would write.
var readsTrace = [][]string{{"analyze", "-o", "out"}, {"export", "--to", "perfetto", "-o", "out"}, {"compare", "-o", "out", "good.json"}}

// refused runs a command on a trace that cannot be read, and says what is wrong with how it ended.
func refused(env Env, words ...string) (problem string) {
	var out, failures bytes.Buffer
	env.Stdout, env.Stderr = &out, &failures
	code := Main(context.Background(), env, words)
	sentence, hint, _ := strings.Cut(failures.String(), "\n")
	_, left := os.Stat(filepath.Join(env.Dir, "out"))
	if code != ExitUnreadable || out.Len() > 0 || left == nil || !strings.HasPrefix(sentence, "inferscope: ") || !strings.HasPrefix(hint, "hint: ") {
		return fmt.Sprintf("%q: exit code %d, %q, %q, written: %v", words, code, &out, &failures, left == nil)
	}
	return ""
}

// A trace that is cut off, wherever, is told from a whole one.
func TestTracesThatAreCutOff(t *testing.T) {
	folder := t.TempDir()
	env := Env{Version: "1.2.3", Width: 80, Dir: folder, Environ: []string{"HOME=" + folder}}
	put := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("good.json", []byte(smallTrace))
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	w.Write([]byte(smallTrace))
	w.Close()
	database, err := os.ReadFile(filepath.Join("..", "tracefile", "nsys", "testdata", "recent.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		step    int
	}{
		"json": {[]byte(strings.TrimSpace(smallTrace)), 1}, "gzip": {compressed.Bytes(), 1}, "sqlite": {database, 509},
	} {
		for length := 0; length < len(c.content); length += c.step {
			put("cut", c.content[:length])
			words := readsTrace[length/c.step%len(readsTrace)]
			if problem := refused(env, append(words[:len(words):len(words)], "cut")...); problem != "" {
				t.Fatalf("%s, %d of %d bytes: %s", name, length, len(c.content), problem)
			}
		}
	}
}

// A trace of InferScope's own is read as far as it is whole, and refused where nothing is.
func TestOwnTracesThatAreCutOff(t *testing.T) {
	dir := ownTrace(t)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for length := 0; length < len(whole); length += 1 + len(whole)/60 {
			if err := os.WriteFile(file, whole[:length], 0o600); err != nil {
				t.Fatal(err)
			}
			if filepath.Base(file) == tracestore.ManifestName {
				if problem := refused(Env{Dir: t.TempDir(), Width: 80}, "analyze", "-o", "out", dir); problem != "" {
					t.Fatalf("%d bytes of the manifest: %s", length, problem)
				}
				continue
			}
			code, stdout, stderr := analyzed(dir)
			if code == ExitOK && !strings.Contains(stdout, filepath.Base(file)) || code != ExitOK && code != ExitUnreadable {
				t.Fatalf("%d bytes of %s: exit code %d, %s\n%s", length, filepath.Base(file), code, stderr, stdout)
			}
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := analyzed(dir); code != ExitOK {
		t.Fatalf("the whole trace: exit code %d, %s", code, stderr)
	}
}

func TestPlacesThatCannotBeWritten(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"good.json": smallTrace, "other.json": smallTrace, "file": "x"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, words := range [][]string{{"analyze", "good.json"}, {"export", "good.json", "--to", "chrome"}, {"compare", "good.json", "other.json"}} {
		for place, reason := range map[string]string{
			"absent/out": "no such file or directory", ".": "is a directory", "file/out": "not a directory",
			strings.Repeat("n", 256): "file name too long", "/proc/out": "", "/dev/full": "no space left on device",
		} {
			var out, failures bytes.Buffer
			env := Env{Stdout: &out, Stderr: &failures, Width: 80, Dir: folder}
			code := Main(context.Background(), env, append(words[:len(words):len(words)], "-o", place))
			if code != ExitUnwritten || out.Len() > 0 || !strings.Contains(failures.String(), " cannot be written to "+place+": "+reason) ||
				strings.Count(failures.String(), "\n") != 2 {
				t.Errorf("%q to %s: exit code %d, %s", words, place, code, &failures)
			}
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// full is a standard output on a disk that is full.
func full(t *testing.T) *os.File {
	t.Helper()
	file, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func TestAStandardOutputThatIsFull(t *testing.T) {
	trace := ownTrace(t)
	for _, words := range [][]string{{"version"}, {"--help"}, {"help", "run"}, {"analyze", trace}, {"export", trace, "--to", "chrome", "-o", "-"},
		{"compare", trace, trace}, {"config", "show"}, {"config", "path"}, {"config", "schema"}, {"doctor"}, {"completion", "bash"}} {
		var failures bytes.Buffer
		env := Env{Stdout: full(t), Stderr: &failures, Width: 80, Dir: t.TempDir(), Environ: []string{"HOME=/nowhere"}}
		code := Main(context.Background(), env, words)
		want := "inferscope: standard output cannot be written: no space left on device\nhint: send it to a place with room\n"
		if code != ExitUnwritten || failures.String() != want {
			t.Errorf("%q: exit code %d, %s", words, code, &failures)
		}
	}
}

// A file that is written over keeps its permissions and its links, and a new one has those that the user's mask leaves.
func TestFilesAreReplaced(t *testing.T) {
	folder := t.TempDir()
	there, link, other := filepath.Join(folder, "there"), filepath.Join(folder, "link"), filepath.Join(folder, "new")
	if err := os.WriteFile(there, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("there", link); err != nil {
		t.Fatal(err)
	}
	made, err := os.OpenFile(filepath.Join(folder, "made"), os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	made.Close()
	for path, like := range map[string]string{link: there, other: made.Name()} {
		before, err := os.Stat(like)
		if err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := analyzed(ownTrace(t), "-o", path); code != ExitOK {
			t.Fatal(code, stderr)
		}
		after, err := os.Stat(path)
		if err != nil || after.Mode() != before.Mode() || after.Size() < 100 {
			t.Errorf("%s: %v, %v, want %v", path, after, err, before.Mode())
		}
	}
	if target, err := os.Readlink(link); err != nil || target != "there" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}
