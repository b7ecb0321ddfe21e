package main

import (
	"os"

	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/internal/session"
)

// newHandler makes what profiles the cells.
func newHandler(boot server.Boot) (server.Handler, error) {
	return session.New(session.Config{
		Version: version,
		PID:     os.Getpid(),
		Sources: session.DefaultSources(),
		Place:   config.Place{Dir: boot.WorkDir, Environ: os.Environ()},
	}), nil
}
