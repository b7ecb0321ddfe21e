package chrome

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\"b\\c", "\x00\x1f\x7f", "\xff", "é\u2028\u2029\U0001F600", "<&>", "\xed\xa0\x80", "\uFFFD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw := appendText(nil, s)
		var got string
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		var want strings.Builder
		for _, r := range s { // as Go reads it: each byte that is not UTF-8 is U+FFFD
			want.WriteRune(r)
		}
		if got != want.String() {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

func TestMicros(t *testing.T) {
	for ns, want := range map[int64]string{0: "0.000", 1: "0.001", 999: "0.999", 1000: "1.000", -1: "-0.001", -1500: "-1.500",
		math.MaxInt64: "9223372036854775.807", 345678901234567: "345678901234.567"} {
		if got := string(appendMicros(nil, ns)); got != want {
			t.Errorf("%d: %s, want %s", ns, got, want)
		}
	}
}
