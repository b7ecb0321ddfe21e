package html

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/report/internal/fixtures"
)

// sight is how linear RGB is seen: the matrices of Machado, Oliveira and Fernandes (2009) for people
// who lack one kind of cone altogether.
var sight = map[string][3][3]float64{
	"all cones":    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// leastDistance is what two colours of the same shape in one row must be apart, as CIE 1976 has it in
// CIELAB: 2.3 is just seen on large patches side by side, so that this is four times as much.
const leastDistance = 10

// seen is a colour in CIELAB as some eyes see it.
func seen(t *testing.T, color markup, eyes [3][3]float64) (lab [3]float64) {
	t.Helper()
	n, err := strconv.ParseUint(string(color[1:]), 16, 32)
	if err != nil || len(color) != 7 {
		t.Fatalf("%q is not #rrggbb", color)
	}
	var linear, shown [3]float64
	for i := range linear {
		v := float64(n>>(16-8*i)&255) / 255
		linear[i] = v / 12.92
		if v > 0.04045 {
			linear[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	for i, row := range eyes {
		for j, share := range row {
			shown[i] += share * linear[j]
		}
		shown[i] = min(1, max(0, shown[i]))
	}
	// From sRGB to XYZ by the white of D65, then to L*, a*, b*.
	var f [3]float64
	for i, row := range [3][3]float64{{0.4124564, 0.3575761, 0.1804375}, {0.2126729, 0.7151522, 0.0721750}, {0.0193339, 0.1191920, 0.9503041}} {
		v := (row[0]*shown[0] + row[1]*shown[1] + row[2]*shown[2]) / [3]float64{0.95047, 1, 1.08883}[i]
		f[i] = 7.787*v + 16.0/116
		if v > 0.008856 {
			f[i] = math.Cbrt(v)
		}
	}
	return [3]float64{116*f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])}
}

func distance(a, b [3]float64) float64 {
	return math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2])
}

// What can stand in one row is told apart by a height, by a pattern, or by colours that are far from
// each other whichever cones the reader has.
func TestColourBlind(t *testing.T) {
	for row, classes := range map[string][]string{
		"thread": {"running", "runnable", "gil", "lock", "disk", "network", "sleep", "page_fault", "poll", "pipe", "child", "gpu_driver", "syscall"},
		"stream": {"kernel", "copy", "set", "unseen"},
		"calls":  {"call_launch", "call_copy", "call_sync", "call_alloc", "call_module", "call_event", "call_init", "call_other"},
	} {
		for i, a := range classes {
			for _, b := range classes[:i] {
				one, other := sliceStyles[a], sliceStyles[b]
				if one == (sliceStyle{}) || other == (sliceStyle{}) {
					t.Fatalf("no style of %s or %s", a, b)
				}
				if one.hatch != other.hatch || max(one.height, other.height)-min(one.height, other.height) >= 3 {
					continue
				}
				for eyes, matrix := range sight {
					if d := distance(seen(t, one.color, matrix), seen(t, other.color, matrix)); d < leastDistance {
						t.Errorf("in the row of a %s, %s and %s look alike to eyes with %s: their colours are %.1f apart", row, a, b, eyes, d)
					}
				}
			}
		}
	}
}

// Known values: of each primary in CIELAB, and that red and green of one lightness fall together without one kind of cones.
func TestColoursAsSeen(t *testing.T) {
	for color, want := range map[markup]string{"#ffffff": "100 0 0", "#ff0000": "53 80 67", "#0000ff": "32 79 -108"} {
		lab := seen(t, color, sight["all cones"])
		if got := fmt.Sprint(math.Round(lab[0])+0, math.Round(lab[1])+0, math.Round(lab[2])+0); got != want {
			t.Errorf("%s is %s, want %s", color, got, want)
		}
	}
	whole := distance(seen(t, "#b86a4a", sight["all cones"]), seen(t, "#7f8a3f", sight["all cones"]))
	if blind := distance(seen(t, "#b86a4a", sight["deuteranopia"]), seen(t, "#7f8a3f", sight["deuteranopia"])); blind > whole/3 {
		t.Errorf("a red and a green are %.0f apart, and %.0f in deuteranopia", whole, blind)
	}
}

// A bar of causes has more colours than anyone tells apart: its parts stand in the order of the rows that name them.
func TestBarInOrderOfItsTable(t *testing.T) {
	page := string(Render(fixtures.SyncInLoop()))
	for _, title := range []string{"Where the GPU’s idle time went", "Where the host’s time went"} {
		section := page[strings.Index(page, title):]
		section = section[:strings.Index(section, "</table>")]
		bar, rows, _ := strings.Cut(section, "<table")
		inBar, inRows := anyColor.FindAllString(bar, -1), anyColor.FindAllString(rows, -1)
		if len(inBar) < 4 || !slices.Equal(inBar, inRows[:min(len(inBar), len(inRows))]) {
			t.Errorf("%s: the bar has %v, the rows %v", title, inBar, inRows)
		}
	}
}

var anyColor = regexp.MustCompile(`#[0-9a-f]{6}\b`)
