package kineto

import "math/bits"

// fault says what is wrong with a number.
type fault uint8

const (
	fine   fault = iota
	absent       // no number at all
	huge         // beyond what int64 holds
)

// maxExponent bounds exponents: one beyond it makes zero, or a number that is too large.
const maxExponent = 100

// decimal reads a JSON number, or one in a string, multiplied by ten to the power of
// shift and rounded to the nearest integer, half away from zero. No digit passes
// through a float: a microsecond since 1970 with three decimals has more of them than
// a float64 holds.
func decimal(text []byte, shift int) (int64, fault) {
	i, negative := 0, false
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		negative = text[i] == '-'
		i++
	}
	// The digits as one integer, and how many of them stand behind the point. Past 19
	// digits no more fit: behind the point they are dropped, but that the first of them
	// may round; before it they are counted.
	var value uint64
	digits, point, dropped := 0, 0, 0
	inFraction, roundUp, cut := false, false, false
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' && !inFraction {
			inFraction = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		digits++
		switch {
		case value < 1e18:
			value = value*10 + uint64(c-'0')
			if inFraction {
				point++
			}
		case !inFraction:
			dropped++
		case !cut:
			cut, roundUp = true, c >= '5'
		}
	}
	if digits == 0 {
		return 0, absent
	}
	exponent := 0
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		minus := false
		if i < len(text) && (text[i] == '-' || text[i] == '+') {
			minus = text[i] == '-'
			i++
		}
		from := i
		for ; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
			exponent = min(exponent*10+int(text[i]-'0'), 10*maxExponent)
		}
		if i == from {
			return 0, absent
		}
		if minus {
			exponent = -exponent
		}
	}
	if i != len(text) {
		return 0, absent
	}
	if value == 0 {
		return 0, fine
	}
	for power := exponent + shift - point + dropped; power != 0; {
		if power > 0 {
			high, low := bits.Mul64(value, 10)
			if high != 0 {
				return 0, huge
			}
			value = low
			power--
			continue
		}
		roundUp = value%10 >= 5
		value /= 10
		if power++; value == 0 && power < 0 {
			roundUp = false
			break
		}
	}
	if roundUp {
		value++
	}
	if value > 1<<63-1 {
		return 0, huge
	}
	if negative {
		return -int64(value), fine
	}
	return int64(value), fine
}

// nanoseconds reads a time in microseconds; most are plain digits with up to three decimals.
func nanoseconds(text []byte) (int64, fault) {
	var value int64
	i := 0
	for ; i < len(text) && i < 15 && text[i]-'0' < 10; i++ {
		value = value*10 + int64(text[i]-'0')
	}
	if i == 0 {
		return decimal(text, 3)
	}
	value *= 1000
	if i == len(text) {
		return value, fine
	}
	if text[i] != '.' || len(text)-i > 4 {
		return decimal(text, 3)
	}
	unit := int64(100)
	for i++; i < len(text); i++ {
		d := text[i] - '0'
		if d >= 10 {
			return decimal(text, 3)
		}
		value += int64(d) * unit
		unit /= 10
	}
	return value, fine
}

// integer reads a whole number that must fit into int64, such as an id; decimals are rounded.
func integer(text []byte) (int64, fault) { return decimal(text, 0) }
