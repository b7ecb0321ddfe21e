package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
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

// call runs the program as name with words, and returns what it wrote.
func call(t *testing.T, name string, words ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, failures bytes.Buffer
	c := exec.Command(os.Args[0])
	c.Args = append([]string{name}, words...)
	c.Env = append(os.Environ(), asProgram+"=1")
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
