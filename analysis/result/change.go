package result

// Change is what is said of a run beside the run before it of the same cell, where the
// difference is beyond the noise.
type Change struct {
	// Outcome is Faster or Slower.
	Outcome Outcome
	Wall    Delta
	// Sentence says by how much, and which line made most of it. Plain text, ends with a full stop.
	Sentence string
}
