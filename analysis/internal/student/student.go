// Package student has the quantiles of Student's t distribution.
package student

// quantiles are those for intervals of 95 %, by degrees of freedom from 1 on.
var quantiles = []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
	2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042}

// Level is the coverage of the intervals that Quantile is for.
const Level = 0.95

// Quantile is by how many standard errors an interval of 95 % goes to each side, with
// that many degrees of freedom, at least 1.
func Quantile(freedom int) float64 {
	if freedom <= len(quantiles) {
		return quantiles[max(freedom, 1)-1]
	}
	return 1.96 + 2.5/float64(freedom) // a thousandth above the quantile
}
