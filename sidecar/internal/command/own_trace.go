package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/inferscope/inferscope/sidecar/internal/comparison"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// isFolder says whether a path is one: InferScope's own traces are folders.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// openOwn reads a trace of InferScope's own, of the whole cell where tracestore.Open reads it
// whole. name is the path as the user wrote it.
func openOwn(env Env, name string) (opened, error) {
	tl, meta, err := tracestore.Open(env.Path(name))
	if err != nil {
		var of *tracestore.TraceError
		if errors.As(err, &of) {
			err = fmt.Errorf("%s: %w", of.Where, of.Err)
		}
		return opened{}, Unreadable(name, "a trace of InferScope is a folder with "+tracestore.ManifestName, err)
	}
	return opened{timeline: tl, input: comparison.OwnInput(meta, name, env.Version)}, nil
}
