package command

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var sequence = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// A report has colours and the width of a terminal only where one reads it.
func TestAReportOnATerminal(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "good.json"), []byte(smallTrace), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		terminal        bool
		environ, words  []string
		colours, itWide bool
	}{
		"a terminal":             {true, []string{"TERM=xterm"}, nil, true, true},
		"a pipe":                 {false, []string{"TERM=xterm"}, nil, false, false},
		"no colours":             {true, []string{"TERM=xterm", "NO_COLOR=1"}, nil, false, true},
		"an empty NO_COLOR":      {true, []string{"TERM=xterm", "NO_COLOR="}, nil, true, true},
		"a dumb terminal":        {true, []string{"TERM=dumb"}, nil, false, true},
		"another form":           {true, []string{"TERM=xterm"}, []string{"--format", "md"}, false, false},
		"a file on a terminal":   {true, []string{"TERM=xterm"}, []string{"-o", "report.txt"}, false, false},
		"a comparison, on one":   {true, []string{"TERM=xterm"}, []string{"compare"}, true, true},
		"a comparison in a pipe": {false, []string{"TERM=xterm"}, []string{"compare"}, false, false},
	} {
		words := append([]string{"analyze", "good.json"}, c.words...)
		if len(c.words) > 0 && c.words[0] == "compare" {
			words = []string{"compare", "good.json", "good.json"}
		}
		var out, failures bytes.Buffer
		env := Env{Version: "1.2.3", Stdout: &out, Stderr: &failures, Width: 120, Terminal: c.terminal, Environ: c.environ, Dir: folder}
		if code := Main(context.Background(), env, words); code != ExitOK {
			t.Fatalf("%s: exit code %d, %s", name, code, failures.String())
		}
		text := out.String()
		if written, err := os.ReadFile(filepath.Join(folder, "report.txt")); err == nil {
			text = string(written)
			os.Remove(filepath.Join(folder, "report.txt"))
		}
		if got := strings.Contains(text, "\x1b["); got != c.colours {
			t.Errorf("%s: colours %v", name, got)
		}
		longest := 0
		for _, line := range strings.Split(sequence.ReplaceAllString(text, ""), "\n") {
			longest = max(longest, utf8.RuneCountInString(line))
		}
		if got := longest > 80; got != c.itWide && name != "another form" {
			t.Errorf("%s: the longest line has %d columns", name, longest)
		}
	}
}
