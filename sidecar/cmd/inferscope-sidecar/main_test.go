package main

import "testing"

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 2}, {[]string{"nonsense"}, 2}, {[]string{"serve", "more"}, 2}, {[]string{"--port=1"}, 2},
		{[]string{"version"}, 0}, {[]string{"--help"}, 0},
	} {
		if got := run(c.args); got != c.want {
			t.Errorf("%q: exit code %d, want %d", c.args, got, c.want)
		}
	}
}
