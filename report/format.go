package report

import (
	"math"
	"strconv"
	"strings"
)

// Duration writes ns with three significant digits and the unit that fits:
// "850 ns", "12.3 µs", "4.56 ms", "1.23 s", "2 min 05 s", "1 h 02 min".
func Duration(ns int64) string {
	if ns < 0 {
		if ns == math.MinInt64 {
			ns++
		}
		return "-" + Duration(-ns)
	}
	if ns == 0 {
		return "0 s"
	}
	return duration(float64(ns), 3)
}

// About writes ns with two significant digits, for estimates, whose third digit would claim too much.
func About(ns int64) string {
	if ns <= 0 {
		return "0 s"
	}
	return duration(float64(ns), 2)
}

// Saving words the range of a saving, rounded: "about 1.2 s", "0.6 to 1.2 s",
// "up to 1.2 s". It is empty when nothing is saved.
func Saving(lowNs, highNs int64) string {
	if highNs <= 0 {
		return ""
	}
	low, high := About(lowNs), About(highNs)
	switch {
	case lowNs <= 0:
		return "up to " + high
	case low == high:
		return "about " + high
	}
	if l, unit, ok := strings.Cut(low, " "); ok {
		if h, other, _ := strings.Cut(high, " "); unit == other {
			return l + " to " + h + " " + unit
		}
	}
	return low + " to " + high
}

// duration writes a positive number of ns with at most digits significant digits.
func duration(ns float64, digits int) string {
	units := []struct {
		ns   float64
		name string
	}{{1, "ns"}, {1e3, "µs"}, {1e6, "ms"}, {1e9, "s"}}
	for i, u := range units {
		v := roundSignificant(ns/u.ns, digits)
		// Rounding may carry into the next unit: 999.96 µs is 1 ms.
		if i < len(units)-1 && v >= 1000 || i == len(units)-1 && v >= 60 {
			continue
		}
		return trimFloat(v, digits) + " " + u.name
	}
	s := int64(math.Round(ns / 1e9))
	if s < 3600 {
		return strconv.FormatInt(s/60, 10) + " min " + twoDigits(s%60) + " s"
	}
	m := int64(math.Round(ns / 60e9))
	return Count(m/60) + " h " + twoDigits(m%60) + " min"
}

func twoDigits(n int64) string {
	if n < 10 {
		return "0" + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10)
}

func roundSignificant(v float64, digits int) float64 {
	if v <= 0 {
		return 0
	}
	scale := math.Pow(10, float64(digits-1)-math.Floor(math.Log10(v)))
	return math.Round(v*scale) / scale
}

// trimFloat writes v with the decimals that digits significant digits leave, never in exponent form.
func trimFloat(v float64, digits int) string {
	decimals := 0
	if v > 0 {
		decimals = max(0, digits-1-int(math.Floor(math.Log10(v)+1e-9)))
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Percent writes a share of 0..1: "98%", "4.2%", "<0.1%", ">99%" for almost all, "0%".
// A share that is not a number is "–".
func Percent(share float64) string {
	p := share * 100
	switch {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return "–"
	case p <= 0:
		return "0%"
	case p < 0.1:
		return "<0.1%"
	case p < 9.95:
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	case p < 100 && p >= 99.5:
		return ">99%"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + "%"
}

// Share is part of whole as 0..1; 0 when whole is not positive.
func Share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Bytes writes a number of bytes in binary units: "512 B", "1.5 KiB", "2 GiB".
func Bytes(n int64) string {
	if n < 0 {
		if n == math.MinInt64 {
			n++
		}
		return "-" + Bytes(-n)
	}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		v /= 1024
		r := roundSignificant(v, 3)
		if v >= 1000 {
			r = math.Round(v) // there are 1024 to the next unit: three digits would not do
		}
		if r < 1024 {
			return trimFloat(r, 3) + " " + unit
		}
	}
	return Count(int64(v/1024)) + " PiB"
}

// Count writes n with commas between thousands.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return sign + b.String()
}

// Plural is "1 wait", "3 waits": the count and the noun, with an s unless it is one.
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}
