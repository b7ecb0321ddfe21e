package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inferscope/inferscope/sidecar/internal/nearest"
)

// Kind is the type of a setting's values.
type Kind string

// The kinds, each with the Go type of its values.
const (
	KindBool     Kind = "bool"     // bool
	KindInt      Kind = "int"      // int64
	KindFloat    Kind = "float"    // float64
	KindChoice   Kind = "choice"   // string
	KindPath     Kind = "path"     // string
	KindSize     Kind = "size"     // int64, bytes
	KindDuration Kind = "duration" // time.Duration
)

// Kind is the type of the setting's values.
func (s Setting) Kind() Kind {
	switch s.field(&Settings{}).(type) {
	case *bool:
		return KindBool
	case *int:
		return KindInt
	case *int64:
		return KindSize
	case *float64:
		return KindFloat
	case *time.Duration:
		return KindDuration
	}
	if len(s.Choices) > 0 {
		return KindChoice
	}
	return KindPath
}

// Wants says what a value of the setting may be: "a whole number from 1 to 10000".
func (s Setting) Wants() string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch s.Kind() {
	case KindBool:
		return "true or false"
	case KindInt:
		return "a whole number from " + number(s.Min) + " to " + number(s.Max)
	case KindFloat:
		return "a number from " + number(s.Min) + " to " + number(s.Max)
	case KindChoice:
		return strings.Join(s.Choices, " or ")
	case KindSize:
		return "a number of bytes, or a size such as 500 MiB"
	case KindDuration:
		return "a number of seconds, or a time such as 90s, 30m or 2h"
	}
	return "a path"
}

// wrong is the error for a value that is not what the setting wants.
func (s Setting) wrong(shown string) error {
	text := fmt.Sprintf("%s must be %s, not %s", s.Name, s.Wants(), shown)
	if word, err := strconv.Unquote(shown); err == nil && s.Kind() == KindChoice {
		if meant, ok := nearest.Of(word, s.Choices); ok {
			text += fmt.Sprintf(" (did you mean %s?)", meant)
		}
	}
	return errors.New(text)
}

// Parse reads the text of an environment variable or of an option. The error says
// what is allowed.
func (s Setting) Parse(text string) (any, error) {
	shown := fmt.Sprintf("%.60q", text)
	text = strings.TrimSpace(text)
	switch s.Kind() {
	case KindBool:
		switch strings.ToLower(text) {
		case "true", "1", "yes", "on":
			return true, nil
		case "false", "0", "no", "off":
			return false, nil
		}
	case KindInt:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return s.bounded(n, float64(n), shown)
		}
	case KindFloat:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return s.bounded(f, f, shown)
		}
	case KindSize:
		if n, ok := parseSize(text); ok {
			return s.bounded(n, float64(n), shown)
		}
	case KindDuration:
		if d, ok := parseDuration(text); ok {
			return s.bounded(d, d.Seconds(), shown)
		}
	case KindChoice:
		if slices.Contains(s.Choices, text) {
			return text, nil
		}
	case KindPath:
		if text != "" && len(text) <= maxPath && !strings.ContainsRune(text, 0) {
			return text, nil
		}
	}
	return nil, s.wrong(shown)
}

// maxPath is PATH_MAX of Linux.
const maxPath = 4096

// check takes a value of a TOML file: the type has to be right there.
func (s Setting) check(value any) (any, error) {
	shown := fmt.Sprint(value)
	switch v := value.(type) {
	case string:
		shown = fmt.Sprintf("%.60q", v)
		switch s.Kind() {
		case KindChoice, KindPath, KindSize, KindDuration:
			return s.Parse(v)
		}
	case bool:
		if s.Kind() == KindBool {
			return v, nil
		}
	case int64:
		switch s.Kind() {
		case KindInt, KindSize:
			return s.bounded(v, float64(v), shown)
		case KindFloat:
			return s.bounded(float64(v), float64(v), shown)
		case KindDuration:
			return s.seconds(float64(v), shown)
		}
	case float64:
		switch s.Kind() {
		case KindFloat:
			return s.bounded(v, v, shown)
		case KindDuration:
			return s.seconds(v, shown)
		}
	case []any:
		shown = "a list"
	case map[string]any:
		shown = "a table"
	}
	return nil, s.wrong(shown)
}

func (s Setting) seconds(f float64, shown string) (any, error) {
	if !(f >= s.Min && f <= s.Max) { // before the conversion, which would overflow
		return nil, s.wrong(shown)
	}
	return time.Duration(f * float64(time.Second)), nil
}

// bounded returns value when its measure lies within the bounds; not a number does not.
func (s Setting) bounded(value any, measure float64, shown string) (any, error) {
	if measure >= s.Min && measure <= s.Max {
		return value, nil
	}
	return nil, s.wrong(shown)
}

// sizeUnits are the powers of 1024, by their first letter.
const sizeUnits = "KMGT"

// parseSize reads "1048576", "500 MiB", "1.5G".
func parseSize(text string) (int64, bool) {
	digits := strings.TrimRight(text, " BbIiKkMmGgTt")
	unit := strings.ToUpper(strings.TrimSpace(text[len(digits):]))
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")
	factor := 1.0
	if unit != "" {
		power := strings.Index(sizeUnits, unit)
		if len(unit) != 1 || power < 0 {
			return 0, false
		}
		factor = math.Pow(1024, float64(power+1))
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(f >= 0 && f*factor <= 1<<53) {
		return 0, false
	}
	return int64(f * factor), true
}

// parseDuration reads "90", which is seconds, and "90s", "1h30m".
func parseDuration(text string) (time.Duration, bool) {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		if !(f >= 0 && f <= math.MaxInt32) {
			return 0, false
		}
		return time.Duration(f * float64(time.Second)), true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// Format writes a value of the setting as Parse reads it.
func (s Setting) Format(settings Settings) string {
	switch v := s.field(&settings).(type) {
	case *bool:
		return strconv.FormatBool(*v)
	case *int:
		return strconv.Itoa(*v)
	case *float64:
		return strconv.FormatFloat(*v, 'g', -1, 64)
	case *int64:
		return formatSize(*v)
	case *time.Duration:
		return formatDuration(*v)
	case *string:
		return *v
	}
	return ""
}

// Value is the setting's value for JSON: a size in bytes, a duration in seconds.
func (s Setting) Value(settings Settings) any {
	switch v := s.field(&settings).(type) {
	case *bool:
		return *v
	case *int:
		return *v
	case *float64:
		return *v
	case *int64:
		return *v
	case *time.Duration:
		return v.Seconds()
	case *string:
		return *v
	}
	return nil
}

func formatSize(n int64) string {
	unit := ""
	for i := range sizeUnits {
		if n == 0 || n%1024 != 0 {
			break
		}
		n /= 1024
		unit = " " + sizeUnits[i:i+1] + "iB"
	}
	return strconv.FormatInt(n, 10) + unit
}

// formatDuration leaves out the parts that are zero: "30m", not "30m0s".
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
