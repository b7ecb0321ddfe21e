package text

import (
	"testing"

	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

func TestExplanations(t *testing.T) {
	out := Explanations(fixtures.Explanations(fixtures.SyncInLoop()))
	golden.Check(t, "explanations.txt", out)
	fitsATerminal(t, string(out))
	fitsATerminal(t, string(Explanations(fixtures.Explanations(fixtures.Hostile()))))
}
