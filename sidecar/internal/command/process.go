package command

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// fallbackWidth is used where no terminal tells its own.
const fallbackWidth = 80

// ProcessEnv is the world of this process. version is InferScope's.
func ProcessEnv(version string) (Env, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Env{}, &Error{Sentence: "the working directory cannot be found: " + err.Error(), Hint: "change into one that exists"}
	}
	env := Env{Version: version, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Dir: dir,
		Width: fallbackWidth}
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if env.Terminal = err == nil; env.Terminal && size.Col > 0 {
		env.Width = int(size.Col)
	}
	if text, ok := env.Lookup("COLUMNS"); ok {
		if columns, err := strconv.Atoi(text); err == nil && columns > 0 {
			env.Width = columns
		}
	}
	env.Width = max(env.Width, minWidth)
	return env, nil
}
