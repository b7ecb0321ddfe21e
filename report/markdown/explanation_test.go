package markdown

import (
	"testing"

	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

func TestExplanations(t *testing.T) {
	golden.Check(t, "explanations.md", Explanations(fixtures.Explanations(fixtures.SyncInLoop())))
	golden.Check(t, "explanations_hostile.md", Explanations(fixtures.Explanations(fixtures.Hostile())))
}
