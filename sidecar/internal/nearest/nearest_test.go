package nearest

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	words := []string{"analyze", "compare", "config", "doctor", "export", "version", "hz", "history.runs"}
	for word, want := range map[string]string{
		"analyse": "analyze", "compair": "compare", "confg": "config", "doctro": "doctor", "versoin": "version",
		"vresion": "version", "hzz": "hz", "history.run": "history.runs", "history-runs": "history.runs",
		"": "", "x": "", "zzzz": "", "run": "", strings.Repeat("v", 1<<20): "",
	} {
		got, ok := Of(word, words)
		if got != want || ok != (want != "") {
			t.Errorf("%.20q: %q %v, want %q", word, got, ok, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "axc", 1},
		{"kitten", "sitting", 3}, {"größe", "grösse", 2},
	} {
		if got := distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
