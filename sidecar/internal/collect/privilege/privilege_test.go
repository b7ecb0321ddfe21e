package privilege

import "testing"

func TestParseRelease(t *testing.T) {
	for release, want := range map[string][2]int{
		"6.18.44-custom": {6, 18}, "5.15.0-91-generic": {5, 15}, "4.19": {4, 19}, "": {0, 0}, "next": {0, 0},
	} {
		if major, minor := parseRelease(release); major != want[0] || minor != want[1] {
			t.Errorf("%q: %d.%d", release, major, minor)
		}
	}
}
