package cudaprobe

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxChildren is how many descendants of a process are looked at.
const maxChildren = 256

// childrenWithLibrary is how many descendants of a process have the driver's library mapped.
func childrenWithLibrary(pid int) int {
	count := 0
	all := []int{pid}
	for at := 0; at < len(all); at++ {
		if at > 0 {
			if mapped, err := mappedLibraries(all[at]); err == nil && len(mapped) > 0 {
				count++
			}
		}
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[at]))
		if err != nil {
			continue
		}
		for _, name := range tasks {
			text, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			for field := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(field); err == nil && len(all) <= maxChildren && child != os.Getpid() {
					all = append(all, child)
				}
			}
		}
	}
	return count
}
