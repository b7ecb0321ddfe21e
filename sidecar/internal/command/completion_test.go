package command

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completed asks a real bash what it offers behind the words; the last one is being typed.
func completed(t *testing.T, script, dir string, words ...string) []string {
	t.Helper()
	quotedWords := make([]string, len(words))
	for i, word := range words {
		quotedWords[i] = quoted(word)
	}
	program := script + `
COMP_WORDS=(inferscope ` + strings.Join(quotedWords, " ") + `)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_inferscope
printf '%s\n' "${COMPREPLY[@]}"
`
	run := exec.Command("bash", "--norc", "-c", program)
	run.Dir = dir
	var failures bytes.Buffer
	run.Stderr = &failures
	out, err := run.Output()
	if err != nil || failures.Len() > 0 {
		t.Fatalf("%v: %v: %s", words, err, failures.String())
	}
	offered := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(offered) == 1 && offered[0] == "" {
		offered = nil
	}
	slices.Sort(offered)
	return offered
}

func TestBashCompletes(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash here")
	}
	dir := t.TempDir()
	for _, name := range []string{"a trace.json", "other.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	commands := append(fake(nil), helpCommand())
	for _, c := range []struct {
		words []string
		want  string // joined by |
	}{
		{[]string{""}, "elsewhere|group|help|one|read"},
		{[]string{"gr"}, "group"},
		{[]string{"-"}, "--help|--version|-h"},
		{[]string{"group", ""}, "path|show"},
		{[]string{"group", "s"}, "show"},
		{[]string{"group", "show", ""}, ""},
		{[]string{"help", "group", ""}, "path|show"},
		{[]string{"help", "o"}, "one"},
		{[]string{"one", ""}, "bash|fish"},
		{[]string{"one", "--all", "b"}, "bash"},
		{[]string{"read", "--f"}, "--format"},
		{[]string{"read", "-"}, "--all|--format|--help|--output|-f|-h|-o"},
		{[]string{"read", "--format", ""}, "json|text"},
		{[]string{"read", "-f", "j"}, "json"},
		{[]string{"read", "--format", "=", "j"}, "json"},
		{[]string{"read", "--format", "="}, "json|text"},
		{[]string{"read", "--output", ""}, "a trace.json|other.json"},
		{[]string{"read", ""}, "a trace.json|other.json"},
		{[]string{"read", "a trace.json", "--output", "o"}, "other.json"},
		{[]string{"nothing", "--"}, "--help|--version"},
	} {
		got := strings.Join(completed(t, bashScript(spots(commands)), dir, c.words...), "|")
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.words, got, c.want)
		}
	}
}

// Every command, flag and choice of the registry is in every script, and bash completes each command.
func TestScriptsKnowTheRegistry(t *testing.T) {
	all := spots(Commands())
	scripts := map[string]string{"bash": bashScript(all), "zsh": zshScript(all), "fish": fishScript(all)}
	_, missing := exec.LookPath("bash")
	every(Commands(), "", func(path string, c Command) {
		words := strings.Fields(path)
		if missing == nil && !slices.Contains(completed(t, scripts["bash"], t.TempDir(), append(words[:len(words)-1:len(words)-1], c.Name[:1])...), c.Name) {
			t.Errorf("bash does not complete %s", path)
		}
		for shell, script := range scripts {
			known := []string{"' " + path + "'"}
			before := "--"
			if shell == "fish" {
				known, before = []string{"-a '" + c.Name + "'"}, " -l "
			}
			for _, f := range c.Flags {
				known = append(known, before+f.Name)
			}
			for _, o := range c.Operands {
				known = append(known, o.Choices...)
			}
			for _, text := range known {
				if !strings.Contains(script, text) {
					t.Errorf("the script of %s lacks %q of %s", shell, text, path)
				}
			}
		}
	})
}

func TestTextsOfAnyKindAreQuoted(t *testing.T) {
	odd := []Command{{Name: "odd", Summary: `it's a "$(touch x)" \ : thing`, Flags: []Flag{{Name: "f", Help: `isn't '\''`}}}}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash here")
	}
	dir := t.TempDir()
	if got := completed(t, bashScript(spots(odd)), dir, ""); len(got) != 1 || got[0] != "odd" {
		t.Errorf("%q", got)
	}
	// zsh reads the same quotes as bash.
	check := exec.Command("bash", "-n")
	check.Stdin = strings.NewReader(strings.ReplaceAll(zshScript(spots(odd)), "(( $#known ))", "true"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Error("a text was executed")
	}
}

// The other shells read their scripts, and fish offers what it should, where they are installed.
func TestOtherShellsReadTheirScripts(t *testing.T) {
	all := spots(Commands())
	for shell, script := range map[string]string{"zsh": zshScript(all), "fish": fishScript(all)} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip("it is not installed here: ", err)
			}
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(shell, "-n", file).CombinedOutput(); err != nil || len(out) > 0 {
				t.Fatalf("%v: %s", err, out)
			}
			if shell != "fish" {
				return
			}
			for line, want := range map[string]string{"ana": "analyze", "config sh": "show", "export --to pe": "perfetto", "run --multi-gpu r": "reject"} {
				ask := exec.Command(shell, "--no-config", "-c", "source "+quoted(file)+"; complete -C "+quoted("inferscope "+line))
				ask.Env = append(os.Environ(), "HOME="+t.TempDir())
				if out, err := ask.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), want+"\t") {
					t.Errorf("%q: %v, %s", line, err, out)
				}
			}
		})
	}
}
