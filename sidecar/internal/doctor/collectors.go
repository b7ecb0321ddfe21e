package doctor

import (
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/collect/ebpf"
	"github.com/inferscope/inferscope/sidecar/internal/session"
)

// collectors asks each collector for its Status after it had the chance to load what
// it needs. It closes them.
func collectors(sources session.Sources, hasGPU bool) []Check {
	checks := []Check{}
	for _, c := range sources.Always {
		checks = append(checks, state(look(c)))
	}
	better := false // a rung of the ladder that works
	for _, rung := range sources.Ladder {
		check := state(look(rung.Collector))
		if check.State == Missing && rung.Collector.Name() == ebpf.Name {
			if _, err := ebpf.KernelSupport(); err != nil {
				check.State = Absent
			}
		}
		switch {
		case check.State == Missing && better:
			check.State = Spare
		case check.State == Works || check.State == Limited:
			better = true
		}
		checks = append(checks, check)
	}
	better = false // the capture works, which what takes its place only follows
	for _, c := range sources.OfGPU() {
		if !hasGPU {
			_ = c.Close()
			checks = append(checks, Check{Group: "collectors", Part: c.Name(), State: Absent, Detail: noGPU})
			continue
		}
		check := state(look(c))
		switch {
		case c == sources.Capture:
			better = check.State == Works
		case c == sources.Instead && check.State == Missing && better:
			check.State = Spare
		}
		if check.State == Missing && check.Enable == "" {
			check.Enable = driverLibraries
		}
		checks = append(checks, check)
	}
	return checks
}

// look is the collector's status when it is as ready as it can be.
func look(c collect.Collector) collect.Status {
	status := c.Status()
	if status.Available {
		if err := c.Warm(); err != nil {
			// The second look tells it in the collector's own words, if it has some.
			if status = c.Status(); status.Available {
				status.Available, status.Detail = false, err.Error()
			}
		}
	}
	_ = c.Close() // nothing was begun
	return status
}

func state(s collect.Status) Check {
	check := Check{Group: "collectors", Part: s.Name, State: Works, Detail: s.Detail, Enable: s.Enable}
	switch {
	case !s.Available:
		check.State = Missing
	case s.Enable != "":
		check.State = Limited
	}
	return check
}
