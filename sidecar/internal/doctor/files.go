package doctor

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/rules"
)

// files are the configuration and the folder of the kept cells.
func files(place config.Place) []Check {
	resolved, _ := rules.Resolve(place, nil)
	check := Check{Group: "files", Part: "configuration", State: Works, Detail: "nothing is wrong in it"}
	if note := resolved.Note(); note != "" {
		check.State, check.Detail, check.Enable = Missing, note[:len(note)-1], "inferscope config show"
	}
	return []Check{check, history(resolved.Settings)}
}

// history says whether the folder of the kept cells can be written, or made.
func history(s config.Settings) Check {
	check := Check{Group: "files", Part: "history", State: Works}
	switch {
	case s.HistoryRuns == 0 || s.HistoryBytes == 0:
		check.State, check.Detail = Spare, "switched off: history.runs or history.bytes is 0"
		return check
	case s.HistoryPath == "":
		check.State, check.Detail = Missing, "the environment names no home"
		check.Enable = "set HOME, or history.path in the configuration"
		return check
	}
	dir := s.HistoryPath
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			check.State, check.Detail, check.Enable = Missing, dir+" is not a folder", "set history.path in the configuration"
			return check
		}
		if err == nil {
			break
		}
		if !os.IsNotExist(err) || dir == filepath.Dir(dir) {
			break // Access tells why
		}
		dir = filepath.Dir(dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		check.State, check.Detail = Missing, fmt.Sprintf("%s cannot be written: %v", dir, err)
		check.Enable = "set history.path in the configuration to a folder of yours"
		return check
	}
	check.Detail = s.HistoryPath + " can be written"
	return check
}
