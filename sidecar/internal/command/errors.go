package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// The exit codes.
const (
	// ExitOK is success.
	ExitOK = 0
	// ExitFailed is any failure that has no code of its own.
	ExitFailed = 1
	// ExitUsage is a command line, or a configuration, that is wrong.
	ExitUsage = 2
	// ExitUnreadable is a trace that cannot be read, or is not there.
	ExitUnreadable = 3
	// ExitUnwritten is a result that did not get to its place: with ExitUnreadable the code of trouble with files.
	ExitUnwritten = ExitUnreadable
	// ExitInterrupted is an end that the user asked for, as shells have it: 128 and SIGINT.
	ExitInterrupted = 130
)

// Error is a failure as a user reads it. An error of a Run that neither is nor
// wraps one is shown as it is, without a hint, with ExitFailed.
type Error struct {
	// Code is the exit code; 0 stands for ExitFailed.
	Code int
	// Sentence says what happened, without a full stop. When it is empty nothing is
	// written: the command has said it already.
	Sentence string
	// Hint says what to do about it; may be empty.
	Hint string
	// Err is the cause; it is not shown, but errors.Is finds it.
	Err error
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Sentence
	}
	return e.Sentence + "; " + e.Hint
}

func (e *Error) Unwrap() error { return e.Err }

// Usage is a command line that is wrong.
func Usage(hint, format string, args ...any) error {
	return &Error{Code: ExitUsage, Sentence: fmt.Sprintf(format, args...), Hint: hint}
}

// Unreadable is a trace that cannot be read; err names the byte or the record.
func Unreadable(path, hint string, err error) error {
	return &Error{Code: ExitUnreadable, Sentence: fmt.Sprintf("%s cannot be read: %v", path, err), Hint: hint, Err: err}
}

// unwritten is why what was made did not get to a path, as a user sees it.
func unwritten(what, path string, err error) error {
	return &Error{Code: ExitUnwritten, Sentence: fmt.Sprintf("%s cannot be written to %s: %v", what, path, reason(err)),
		Hint: "name a place where you may write, with room, by -o", Err: err}
}

// reason is the error without the name of the file, which whoever shows it has said: it may be one on its way.
func reason(err error) error {
	var at *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &at):
		return at.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// Failed ends a command with ExitFailed when it has written the reason itself.
func Failed() error { return &Error{Code: ExitFailed} }

// report writes an error and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	var told *Error
	switch {
	case errors.As(err, &told):
		if told.Sentence != "" {
			say(w, told.Sentence, told.Hint)
		}
		if told.Code == ExitOK {
			return ExitFailed
		}
		return told.Code
	case errors.Is(err, context.Canceled):
		say(w, "interrupted", "")
		return ExitInterrupted
	}
	say(w, err.Error(), "")
	return ExitFailed
}

// say writes a sentence and its hint. Control characters, which a path or an
// argument may hold, reach no terminal.
func say(w io.Writer, sentence, hint string) {
	fmt.Fprintf(w, "inferscope: %s\n", printable(sentence))
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", printable(hint))
	}
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, text)
}
