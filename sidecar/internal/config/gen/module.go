package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/config"
)

const head = `"""The options of ` + "`%%inferscope`" + ` that are settings. Code generated from sidecar/internal/config; DO NOT EDIT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Setting:
    """One setting that an option sets.

    Attributes:
        name: What the sidecar calls it.
        option: The long option without its dashes.
        short: The short option's letter; may be empty.
        kind: The type of its values.
        wants: What a value may be, for the sentence about a wrong one.
        low: The lowest number that is allowed.
        high: The highest.
        choices: The only texts that are allowed.
        default: The value unless a file, a variable or the option says otherwise, as text.
        help: Half a sentence for the help.
    """

    name: str
    option: str
    short: str
    kind: Literal["bool", "int", "float", "choice"]
    wants: str
    low: float
    high: float
    choices: tuple[str, ...]
    default: str
    help: str


`

// module is ipython_ext/inferscope/_settings.py.
func module() string {
	var b strings.Builder
	b.WriteString(head + "# The defaults of the settings that act in this process.\n")
	for _, s := range config.All {
		if strings.Contains(s.Name, ".") || s.Applies != config.NextCell {
			continue
		}
		fmt.Fprintf(&b, "%s = %s\n", strings.ToUpper(s.Name), literal(s))
	}
	b.WriteString("\nSETTINGS: tuple[Setting, ...] = (\n")
	for _, s := range config.All {
		if s.Option == "" {
			continue
		}
		fmt.Fprintf(&b, "    Setting(\n        name=%q,\n        option=%q,\n        short=%q,\n        kind=%q,\n        wants=%q,\n",
			s.Name, s.Option, s.Short, s.Kind(), s.Wants())
		fmt.Fprintf(&b, "        low=%s,\n        high=%s,\n        choices=%s,\n        default=%q,\n        help=%q,\n    ),\n",
			number(s.Min), number(s.Max), tuple(s.Choices), s.Default, s.Help)
	}
	b.WriteString(")\n")
	return b.String()
}

// tuple is a tuple of texts as Python's formatter writes it.
func tuple(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.Quote(text)
	}
	if len(quoted) == 1 {
		return "(" + quoted[0] + ",)"
	}
	return "(" + strings.Join(quoted, ", ") + ")"
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// literal is the default as Python writes it.
func literal(s config.Setting) string {
	switch s.Kind() {
	case config.KindBool:
		return strings.ToUpper(s.Default[:1]) + s.Default[1:]
	case config.KindInt, config.KindFloat:
		return s.Default
	}
	return strconv.Quote(s.Default)
}
