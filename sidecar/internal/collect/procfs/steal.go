package procfs

import (
	"fmt"
	"time"
)

// stolen is the time of all CPUs, in ns since boot, that the hypervisor gave to
// others while they had work. To a thread it looks like running, but the kernel
// does not account it as that.
func stolen() (int64, error) {
	text, err := readFile("/proc/stat", make([]byte, 4096))
	if err != nil {
		return 0, err
	}
	return parseStolen(text)
}

// parseStolen reads the eighth number of the first line.
func parseStolen(text []byte) (int64, error) {
	field, rest := nextField(text)
	if string(field) != "cpu" {
		return 0, fmt.Errorf("%w: stat of the CPUs", ErrMalformed)
	}
	var ticks int64
	for range 8 {
		field, rest = nextField(rest)
		v, ok := parseInt(field)
		if !ok {
			return 0, fmt.Errorf("%w: stat of the CPUs", ErrMalformed)
		}
		ticks = v
	}
	return min(ticks, 1<<33) * int64(time.Second) / TicksPerSecond, nil
}
