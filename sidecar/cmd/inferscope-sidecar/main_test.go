package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asProgram makes the test's binary be the program itself.
const asProgram = "INFERSCOPE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// call runs the program as name with words in an empty home, and returns what it wrote.
func call(t *testing.T, name string, words ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Args = append([]string{name}, words...)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "HOME="+c.Dir, "XDG_CONFIG_HOME=")
	return finish(t, c)
}

// finish runs a prepared call.
func finish(t *testing.T, c *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, failures bytes.Buffer
	c.Env = append(c.Env, asProgram+"=1")
	c.Stdout, c.Stderr = &out, &failures
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), failures.String()
}

func TestExitCodesAndStreams(t *testing.T) {
	for _, c := range []struct {
		words          string
		code           int
		stdout, stderr string // parts; when empty, nothing at all is written there
	}{
		{"", 2, "", "usage: inferscope COMMAND"},
		{"--help", 0, "usage: inferscope COMMAND", ""},
		{"-h", 0, "usage: inferscope COMMAND", ""},
		{"help", 0, "usage: inferscope COMMAND", ""},
		{"help version", 0, "usage: inferscope version\n", ""},
		{"version --help", 0, "usage: inferscope version\n", ""},
		{"version", 0, version + "\n", ""},
		{"--version", 0, version + "\n", ""},
		{"verison", 2, "", "inferscope: there is no command \"verison\"\nhint: did you mean `inferscope version`?"},
		{"zzzz", 2, "", "hint: `inferscope --help` lists what there is"},
		{"--verison", 2, "", "there is no flag --verison\nhint: did you mean --version?"},
		{"version --hepl", 2, "", "version has no flag --hepl\nhint: did you mean --help?"},
		{"version more", 2, "", "version has no place for \"more\"\nhint: see `inferscope version --help`"},
		{"help nothing", 2, "", "no command \"nothing\""},
		{"help version more", 2, "", "version has no command \"more\""},
		{"config show", 0, "SETTING ", ""},
		{"config show --format=json", 0, `"schema": "inferscope.config/1"`, ""},
		{"config show -f xml", 2, "", "--format may not be \"xml\"\nhint: it may be text or json"},
		{"config path", 0, "/.config/inferscope/config.toml\n", ""},
		{"config path project", 1, "", "there is no pyproject.toml in "},
		{"config path other", 2, "", "WHICH may not be \"other\""},
		{"config schema", 0, `"https://json-schema.org/draft/2020-12/schema"`, ""},
		{"config", 2, "", "config needs one of show, path, schema\nhint: see `inferscope config --help`"},
		{"config shwo", 2, "", "config has no command \"shwo\"\nhint: did you mean `inferscope config show`?"},
		{"config --help", 0, "usage: inferscope config COMMAND", ""},
		{"help config show", 0, "usage: inferscope config show [OPTIONS]", ""},
		{"completion bash", 0, "complete -F _inferscope inferscope\n", ""},
		{"completion", 2, "", "completion needs SHELL"},
		{"doctor all", 2, "", "doctor has no place for \"all\""},
		{"serve", 2, "", "there is no command \"serve\""},
		{"serve --help", 2, "", "there is no command \"serve\""},
	} {
		code, stdout, stderr := call(t, "inferscope", strings.Fields(c.words)...)
		if code != c.code {
			t.Errorf("%q: exit code %d, want %d", c.words, code, c.code)
		}
		for _, stream := range []struct{ name, got, want string }{{"stdout", stdout, c.stdout}, {"stderr", stderr, c.stderr}} {
			if stream.want == "" && stream.got != "" || !strings.Contains(stream.got, stream.want) {
				t.Errorf("%q: %s is %q, want %q", c.words, stream.name, stream.got, stream.want)
			}
		}
	}
}

// The extension starts the file by its path, and only so does it serve.
func TestServeIsTheExtensions(t *testing.T) {
	code, stdout, stderr := call(t, "/some/where/inferscope-sidecar", "serve")
	if code != 1 || !strings.Contains(stdout, `"error"`) || !strings.Contains(stderr, "inferscope-sidecar: read the start-up line") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestAWrongConfigurationExitsWithTwo(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pyproject.toml"), []byte("[tool.inferscope]\nhzz = 5\nquiet = true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{"config", "show"}, {"config", "show", "--format", "json"}} {
		c := exec.Command(os.Args[0], words...)
		c.Dir, c.Env = dir, []string{"HOME=/nonexistent", "INFERSCOPE_GPU=perhaps"}
		code, stdout, stderr := finish(t, c)
		want := "inferscope: " + dir + "/pyproject.toml, line 2: there is no setting \"hzz\"\nhint: did you mean hz?\n" +
			"inferscope: INFERSCOPE_GPU: gpu must be true or false, not \"perhaps\"\n"
		if code != 2 || stderr != want || !strings.Contains(stdout, "pyproject.toml, line 3") {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", words, code, stdout, stderr)
		}
	}
	c := exec.Command(os.Args[0], "config", "path")
	c.Env = []string{"HOME=relative"}
	if code, _, stderr := finish(t, c); code != 1 || !strings.Contains(stderr, "the environment names no home\nhint: ") {
		t.Errorf("without a home: exit code %d, stderr %q", code, stderr)
	}
}
