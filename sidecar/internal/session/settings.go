package session

import (
	"time"

	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/server"
	"github.com/inferscope/inferscope/sidecar/wire"
)

var _ server.Idler = (*Service)(nil)

// IdleExit implements server.Idler with what is configured where the last cell ran.
func (s *Service) IdleExit() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings.IdleExit
}

// options are the settings that collectors and the client act on in one cell.
func options(s config.Settings) wire.Options {
	return wire.Options{
		EBPF:          s.EBPF,
		GPU:           s.GPU,
		SampleHz:      s.HZ,
		Functions:     s.Functions,
		Quiet:         s.Quiet,
		Live:          s.Live,
		Changes:       s.Changes,
		MultiGPU:      s.MultiGPU,
		GPUBudget:     s.GPUBudget,
		Full:          s.Full,
		CUPTIFinalize: s.CUPTIFinalize,
	}
}
