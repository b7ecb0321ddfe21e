package main

import (
	"os"

	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/internal/session"
)

// newHandler makes what profiles the cells. Loading the collectors goes on while
// the sidecar is already ready.
func newHandler(string) (server.Handler, error) {
	service := session.New(session.Config{Version: version, PID: os.Getpid(), Sources: session.DefaultSources()})
	go service.Warm()
	return service, nil
}
