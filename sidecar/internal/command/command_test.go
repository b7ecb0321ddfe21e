package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// try runs words against commands and returns the exit code and what was written.
func try(commands []Command, words ...string) (code int, stdout, stderr string) {
	var out, failures bytes.Buffer
	env := Env{Stdout: &out, Stderr: &failures, Width: 80, Dir: "/somewhere"}
	code = report(env.Stderr, run(context.Background(), env, commands, words))
	return code, out.String(), failures.String()
}

// fake is a registry whose commands write what they were given.
func fake(end error) []Command {
	echo := func(_ context.Context, env Env, args Args) error {
		fmt.Fprintf(env.Stdout, "%q %q %q %v", args.Operands, args.Value("format"), args.Values("output"), args.Has("all"))
		return end
	}
	flags := []Flag{
		{Name: "format", Short: "f", Value: "FORMAT", Choices: []string{"text", "json"}, Default: "text", Help: "how to write it"},
		{Name: "output", Short: "o", Value: "PATH", Help: "where to write it", Kind: File},
		{Name: "all", Help: "leave nothing out"},
	}
	return []Command{
		{Name: "read", Summary: "read traces", Flags: flags, Run: echo,
			Operands: []Operand{{Name: "TRACE", Kind: File}, {Name: "MORE", Optional: true, Repeated: true}}},
		{Name: "one", Summary: "take one", Run: echo, Flags: flags, Operands: []Operand{{Name: "SHELL", Choices: []string{"bash", "fish"}}}},
		{Name: "group", Summary: "hold two", Commands: []Command{{Name: "show", Summary: "show it", Run: echo}, {Name: "path", Summary: "say where", Run: echo}}},
		{Name: "elsewhere", Summary: "run in Python"},
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		words string
		want  string // of stdout when it begins with "[", else a part of stderr
	}{
		{"read a", `["a"] "text" [] false`},
		{"read a b c", `["a" "b" "c"] "text" [] false`},
		{"read --format json a --all", `["a"] "json" [] true`},
		{"read --format=json -o x -oy --output=z a", `["a"] "json" ["x" "y" "z"] false`},
		{"read -o=x a", `["a"] "text" ["x"] false`},
		{"read -- --all -h", `["--all" "-h"] "text" [] false`},
		{"read -", `["-"] "text" [] false`},
		{"read -o --all a", `["a"] "text" ["--all"] false`},
		{"one bash", `["bash"] "text" [] false`},
		{"group show", `[] "" [] false`},
		{"read", "read needs TRACE"},
		{"one bash more", `one has no place for "more"`},
		{"one zsh", `SHELL may not be "zsh"`},
		{"one bahs", "did you mean bash? it may be bash or fish"},
		{"read a --format xml", `--format may not be "xml"`},
		{"read a --format jsno", "did you mean json?"},
		{"read a --fromat json", "did you mean --format?"},
		{"read a --fromat=json", "read has no flag --fromat\n"},
		{"read a --all=1", "--all takes no value"},
		{"read a -o", "--output needs a value"},
		{"read a -x", "read has no flag -x\n"},
		{"group", "group needs one of show, path"},
		{"group shwo", "did you mean `inferscope group show`?"},
		{"group --all", "group has no flag --all"},
		{"group show more", `group show has no place for "more"`},
		{"elsewhere a b", "elsewhere is run by the Python package\nhint: python -m inferscope elsewhere a b"},
	} {
		code, stdout, stderr := try(fake(nil), strings.Fields(c.words)...)
		switch {
		case strings.HasPrefix(c.want, "["):
			if code != ExitOK || stdout != c.want || stderr != "" {
				t.Errorf("%q: exit code %d, stdout %s, stderr %s, want %s", c.words, code, stdout, stderr, c.want)
			}
		case code == ExitOK || stdout != "" || !strings.Contains(stderr, c.want) || !strings.HasPrefix(stderr, "inferscope: "):
			t.Errorf("%q: exit code %d, stdout %q, stderr %q, want %q", c.words, code, stdout, stderr, c.want)
		}
	}
}

func TestHelpIsShownWhateverElseIsWrong(t *testing.T) {
	for _, words := range []string{"read --help", "read -h", "read --nothing -h", "one zsh a b --help", "group -h", "group show -h", "elsewhere -h"} {
		code, stdout, stderr := try(fake(nil), strings.Fields(words)...)
		if code != ExitOK || !strings.HasPrefix(stdout, "usage: inferscope ") || stderr != "" {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", words, code, stdout, stderr)
		}
	}
}

func TestEndings(t *testing.T) {
	broken := errors.New("record 7 at byte 1234 has no end")
	for _, c := range []struct {
		end    error
		code   int
		stderr string
	}{
		{nil, 0, ""},
		{errors.New("it broke"), 1, "inferscope: it broke\n"},
		{&Error{Sentence: "it broke", Hint: "mend it"}, 1, "inferscope: it broke\nhint: mend it\n"},
		{fmt.Errorf("read: %w", Usage("say which", "no trace")), 2, "inferscope: no trace\nhint: say which\n"},
		{Unreadable("a.json", "", broken), 3, "inferscope: a.json cannot be read: record 7 at byte 1234 has no end\n"},
		{Failed(), 1, ""},
		{fmt.Errorf("read: %w", context.Canceled), 130, "inferscope: interrupted\n"},
		{errors.New("\x1b[31mred\r\nline"), 1, "inferscope: \uFFFD[31mred\uFFFD\uFFFDline\n"},
	} {
		code, _, stderr := try(fake(c.end), "read", "a")
		if code != c.code || stderr != c.stderr {
			t.Errorf("%v: exit code %d and %q, want %d and %q", c.end, code, stderr, c.code, c.stderr)
		}
	}
	if !errors.Is(Unreadable("a", "", broken), broken) {
		t.Error("the cause is lost")
	}
}

// every visits each command of the registry with the words that call it.
func every(commands []Command, path string, visit func(path string, c Command)) {
	for _, c := range commands {
		visit(path+c.Name, c)
		every(c.Commands, path+c.Name+" ", visit)
	}
}

func TestEveryCommandTeaches(t *testing.T) {
	every(Commands(), "", func(path string, c Command) {
		for _, width := range []int{0, 40, 80, 200} {
			var b bytes.Buffer
			writeHelp(&b, width, program+" "+path, c)
			for line := range strings.Lines(b.String()) {
				isExample := strings.HasPrefix(line, "  "+program+" ")
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > min(max(width, minWidth), maxWidth) && !isExample {
					t.Errorf("%s, width %d: a line of %d: %s", path, width, n, line)
				}
			}
		}
		if c.Summary == "" || strings.HasSuffix(c.Summary, ".") || len(c.Commands) == 0 && len(c.Examples) == 0 {
			t.Errorf("%s: the summary is half a sentence, and there is an example", path)
		}
		if c.Run != nil && len(c.Commands) > 0 {
			t.Errorf("%s: a group has no Run", path)
		}
		for _, flag := range c.Flags {
			if flag.Help == "" || flag.Name == "help" || flag.Short == "h" || flag.Value != strings.ToUpper(flag.Value) ||
				flag.Default != "" && len(flag.Choices) > 0 && !slices.Contains(flag.Choices, flag.Default) {
				t.Errorf("%s: the flag %+v", path, flag)
			}
		}
		for _, example := range c.Examples {
			words := strings.Fields(example.Line)
			found, called, rest, err := resolve(Commands(), words)
			if err != nil || called != program+" "+path {
				t.Errorf("%s: the example %q calls %s: %v", path, example.Line, called, err)
				continue
			}
			if _, _, err := parse(called, found, rest); err != nil {
				t.Errorf("%s: the example %q: %v", path, example.Line, err)
			}
		}
	})
}

func TestEnv(t *testing.T) {
	env := Env{Environ: []string{"A=1", "AB=2", "A=3", "E="}, Dir: "/dir"}
	for name, want := range map[string]string{"A": "3", "AB": "2", "E": ""} {
		if got, ok := env.Lookup(name); got != want || !ok {
			t.Errorf("%s: %q %v", name, got, ok)
		}
	}
	if _, ok := env.Lookup("B"); ok {
		t.Error("B is not set")
	}
	if a, b := env.Path("x/../y"), env.Path("/z/"); a != "/dir/y" || b != "/z" {
		t.Error(a, b)
	}
}

func FuzzParse(f *testing.F) {
	for _, words := range []string{"read a", "read --format=json\x00-o\x00-", "group show", "--", "-", "one --\x00-h"} {
		f.Add(words)
	}
	commands := fake(nil)
	f.Fuzz(func(t *testing.T, words string) {
		env := Env{Stdout: io.Discard, Stderr: io.Discard}
		report(env.Stderr, run(context.Background(), env, commands, strings.FieldsFunc(words, func(r rune) bool { return r == 0 || r == ' ' })))
	})
}

func TestEveryCommandHasAPage(t *testing.T) {
	docs := filepath.Join("..", "..", "..", "docs")
	pages := Pages()
	for file, content := range pages {
		if written, err := os.ReadFile(filepath.Join(docs, file)); err != nil || string(written) != content {
			t.Errorf("docs/%s is not what the command says: run make generate (%v)", file, err)
		}
	}
	for _, c := range Commands() {
		content := pages[pagesFolder+"/"+c.Name+".md"]
		for _, want := range append([]string{"usage: inferscope " + c.Name}, names(c.Commands)...) {
			if !strings.Contains(content, want) {
				t.Errorf("the page of %s lacks %q", c.Name, want)
			}
		}
	}
	if entries, err := os.ReadDir(filepath.Join(docs, pagesFolder)); err != nil || len(entries) != len(Commands()) {
		t.Errorf("%d pages, %d commands, %v", len(entries), len(Commands()), err)
	}
}
