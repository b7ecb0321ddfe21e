// Package nearest finds what a user probably meant by a word that is not known.
package nearest

// maxRunes bounds the work for a word that somebody made very long.
const maxRunes = 64

// Of returns the one of words that is nearest to word, by the number of letters
// to insert, delete, replace or swap with their neighbour. False when every one
// differs in more than about a quarter of its letters: then a suggestion would only
// puzzle. Of several that are equally near it is the first.
func Of(word string, words []string) (string, bool) {
	best, least := "", -1
	for _, candidate := range words {
		d := distance([]rune(word), []rune(candidate))
		limit := max(len([]rune(candidate)), len([]rune(word)))/4 + 1
		if d <= min(limit, len([]rune(candidate))-1) && (least < 0 || d < least) {
			best, least = candidate, d
		}
	}
	return best, least >= 0
}

// distance is the optimal string alignment distance.
func distance(a, b []rune) int {
	if len(a) > maxRunes || len(b) > maxRunes {
		return max(len(a), len(b))
	}
	var before []int
	last, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}
