package ebpf

import (
	"errors"

	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

// KernelSupport says what the running kernel lacks for the programs, whatever the
// privileges, and what would change that; nil when nothing.
func KernelSupport() (enable string, err error) {
	err = privilege.ProbeKernel()
	var m privilege.Missing
	if errors.As(err, &m) {
		enable = m.Enable
	}
	return enable, err
}
