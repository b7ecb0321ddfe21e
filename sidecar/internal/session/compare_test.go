package session

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// The last two runs are compared, also when the trace of the last one has yet to be written.
func TestCompareOfTheLastRuns(t *testing.T) {
	s := service(t, t.TempDir(), 5, 0)
	ask := wire.Compare{Environ: s.config.Place.Environ}
	var refused *wire.Error
	if _, err := s.Compare(context.Background(), ask); !errors.As(err, &refused) || refused.Code != wire.CodeComparison ||
		refused.Message != "There are no two runs to compare: no run is kept." || !strings.HasPrefix(refused.Hint, "Profile the cell once") {
		t.Fatal(err)
	}
	run(t, s, "a", 100)
	start(t, s, "b")
	if _, err := s.Compare(context.Background(), ask); !errors.As(err, &refused) || refused.Code != wire.CodeBusy {
		t.Errorf("inside of a cell: %v", err)
	}
	lines(s, "b", 1_000_000, 200)
	report, err := s.Stop(context.Background(), wire.Stop{CellID: "b", Begin: 1_000_000, End: 1_000_000 + 200*stepNs, Outcome: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Compare(context.Background(), ask) // nobody said that the report was sent
	if err != nil || !strings.Contains(c.Text, "100 µs → 200 µs") || !strings.HasPrefix(c.HTML, "<div") || !strings.HasPrefix(c.Markdown, "**") || !strings.Contains(c.Summary, "inferscope.compare/1") {
		t.Errorf("%v, %s", err, c.Text)
	}
	ask.Before, ask.After = []string{report.Trace}, []string{report.Trace}
	if c, err = s.Compare(context.Background(), ask); err != nil || !strings.Contains(c.Text, "200 µs → 200 µs") {
		t.Errorf("%v, %s", err, c.Text)
	}
	ask.After = []string{"nothing"}
	if _, err = s.Compare(context.Background(), ask); !errors.As(err, &refused) || refused.Message != `There is no trace and no kept run "nothing".` {
		t.Error(err)
	}
}

func TestCompareWithoutAHistory(t *testing.T) {
	s := service(t, t.TempDir(), 0, 0)
	_, err := s.Compare(context.Background(), wire.Compare{Environ: s.config.Place.Environ})
	var refused *wire.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "the history is switched off") || !strings.HasPrefix(refused.Hint, "Set history.runs") {
		t.Error(err)
	}
}
