package kineto

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func TestNanoseconds(t *testing.T) {
	for text, want := range map[string]struct {
		ns  int64
		bad fault
	}{
		"0": {0, fine}, "-0": {0, fine}, "12": {12_000, fine}, "12.3": {12_300, fine}, "12.345": {12_345, fine},
		"1712195495519689.0": {1712195495519689000, fine}, "1712195495519689.063": {1712195495519689063, fine},
		"1419247332972.313": {1419247332972313, fine},
		// As a float64 this one is off by 88 ns.
		"1751410836123456.789": {1751410836123456789, fine},
		"1.0004":               {1_000, fine}, "1.0005": {1_001, fine}, "-1.0005": {-1_001, fine}, "0.9999": {1_000, fine}, "1.00049999999999999999999": {1_000, fine},
		"-5.25": {-5_250, fine}, "+5": {5_000, fine}, "1e3": {1_000_000, fine}, "1.5E+3": {1_500_000, fine}, "25e-1": {2_500, fine},
		"1e-9": {0, fine}, "123456e-400": {0, fine}, "0e999999999999": {0, fine}, "0.000000000000000000000001": {0, fine},
		"9223372036854775.807": {9223372036854775807, fine}, "9223372036854775.808": {0, huge}, "-9223372036854775.807": {-9223372036854775807, fine},
		"9223372036854775808": {0, huge}, "1e30": {0, huge}, "1e999999999999": {0, huge},
		"100000000000000000000000000000000000000e-36": {100_000, fine}, strings.Repeat("9", 5000): {0, huge}, "0." + strings.Repeat("9", 5000): {1_000, fine},
		"": {0, absent}, "-": {0, absent}, ".": {0, absent}, "abc": {0, absent}, "null": {0, absent}, "NaN": {0, absent}, "12x": {0, absent},
		"1.2.3": {0, absent}, "1e": {0, absent}, "1e+": {0, absent}, "0x10": {0, absent}, " 1": {0, absent}, "{}": {0, absent}, ".5": {500, fine}, "5.": {5_000, fine},
	} {
		if ns, bad := nanoseconds([]byte(text)); ns != want.ns || bad != want.bad {
			t.Errorf("%.40q: %d, %d, want %d, %d", text, ns, bad, want.ns, want.bad)
		}
	}
}

// Every plain number agrees with arbitrary precision.
func TestNanosecondsAgainstRationals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		text := strconv.FormatInt(rng.Int64N(1<<uint(1+rng.IntN(52))), 10)
		if n := rng.IntN(6); n > 0 {
			text += "." + strconv.FormatInt(rng.Int64N(1_000_000_000), 10)[:1]
			for range n - 1 {
				text += strconv.Itoa(rng.IntN(10))
			}
		}
		if rng.IntN(4) == 0 {
			text = "-" + text
		}
		exact, _ := new(big.Rat).SetString(text)
		exact.Mul(exact, big.NewRat(1000, 1))
		half := big.NewRat(1, 2)
		if exact.Sign() < 0 {
			half.Neg(half)
		}
		exact.Add(exact, half)
		want := new(big.Int).Quo(exact.Num(), exact.Denom()).Int64()
		if ns, bad := nanoseconds([]byte(text)); ns != want || bad != fine {
			t.Fatalf("%s: %d (%d), want %d", text, ns, bad, want)
		}
	}
}
