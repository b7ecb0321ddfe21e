package ebpf

import "errors"

// KernelSupport says what the running kernel lacks for the programs, whatever the
// privileges, and what would change that; nil when nothing.
func KernelSupport() (enable string, err error) {
	err = probeKernel()
	var m missing
	if errors.As(err, &m) {
		enable = m.enable
	}
	return enable, err
}
