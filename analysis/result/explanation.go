package result

// Explanation is why a report says what it says: the evidence of one finding, or of one cause, in words.
type Explanation struct {
	// Subject is the finding's ID or the cause's kind, Title the same in words.
	Subject, Title string
	// Line is the line that it speaks of; Number 0 for all of them.
	Line Line
	// Facts are whole sentences in the order in which to read them, with code between
	// backticks; never empty. They quote hostile text.
	Facts []string
	// Spans are where in the cell the evidence lies, as Finding.Spans.
	Spans []Span
}
