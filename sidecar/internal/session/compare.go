package session

import (
	"context"
	"errors"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/sidecar/internal/comparison"
	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// Compare compares runs that are kept. It waits for the traces that are still being
// written, of which the last cell's is one; while a cell is being profiled it is refused.
func (s *Service) Compare(ctx context.Context, m wire.Compare) (wire.Comparison, error) {
	s.mu.Lock()
	busy := s.cell != nil
	s.beginSaving()
	s.mu.Unlock()
	if busy {
		return wire.Comparison{}, &wire.Error{Code: wire.CodeBusy, Message: "A cell is being profiled.", Hint: "Compare its run when it has ended."}
	}
	s.keeper.flush(ctx)
	place := config.Place{Dir: m.Directory, Environ: m.Environ}
	finder := comparison.Finder{Dir: m.Directory, Version: s.config.Version, History: historyOf(config.Resolve(place, nil).Settings)}
	var c *result.Comparison
	var err error
	if len(m.Before)+len(m.After) == 0 {
		c, err = finder.Last(ctx, 0)
	} else {
		c, err = finder.Of(ctx, m.Before, m.After)
	}
	var told *comparison.Error
	switch {
	case errors.As(err, &told):
		return wire.Comparison{}, &wire.Error{Code: wire.CodeComparison, Message: sentence(told.Sentence), Hint: sentence(told.Hint)}
	case err != nil:
		return wire.Comparison{}, err
	}
	return renderComparison(c), nil
}

// sentence makes a sentence of what a command line would say.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if c := text[0]; c >= 'a' && c <= 'z' && !strings.ContainsAny(strings.SplitN(text, " ", 2)[0], "./_-0123456789") {
		text = string(c-'a'+'A') + text[1:]
	}
	return strings.TrimSuffix(text, ".") + "."
}
