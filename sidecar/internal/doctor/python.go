package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	// pythonPatience is for an interpreter on a slow disk that has to start a sidecar.
	pythonPatience = 60 * time.Second
	// maxAnswer bounds what the interpreter says, in bytes.
	maxAnswer = 1 << 20
)

// answers are what inferscope.checks writes.
type answers struct {
	Python     string `json:"python"`
	Executable string `json:"executable"`
	Packages   []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Wrong   string `json:"wrong"`
	} `json:"packages"`
	Shim        answer `json:"shim"`
	CUPTI       answer `json:"cupti"`
	Calibration answer `json:"calibration"`
	Sidecar     answer `json:"sidecar"`
}

type answer struct {
	Works  bool   `json:"works"`
	Detail string `json:"detail"`
	Enable string `json:"enable"`
}

// python asks the interpreter of the user's notebooks.
func python(ctx context.Context, o Options, hasGPU bool) []Check {
	interpreter := Check{Group: "python", Part: "interpreter", State: Works}
	if o.Python == "" {
		interpreter.State, interpreter.Detail = Unseen, "the interpreter of your notebooks is not known here"
		interpreter.Enable = "python -m inferscope doctor"
		return []Check{interpreter}
	}
	a, err := ask(ctx, o)
	if err != nil {
		interpreter.State, interpreter.Detail = Missing, fmt.Sprintf("%s did not answer: %v", o.Python, err)
		return []Check{interpreter}
	}
	interpreter.Detail = fmt.Sprintf("Python %s, %s", a.Python, a.Executable)
	checks := []Check{interpreter, packages(a), a.Shim.check("shim"), a.Sidecar.check("sidecar"), a.Calibration.check("calibration")}
	library := Check{Group: "python", Part: "cupti-library", State: Absent, Detail: noGPU}
	if hasGPU {
		library = a.CUPTI.check(library.Part)
	}
	return append(checks, library)
}

func (a answer) check(part string) Check {
	check := Check{Group: "python", Part: part, State: Works, Detail: a.Detail, Enable: a.Enable}
	if !a.Works {
		check.State = Missing
	}
	return check
}

func packages(a answers) Check {
	check := Check{Group: "python", Part: "packages", State: Works}
	var have, lack, install []string
	for _, p := range a.Packages {
		if p.Wrong != "" {
			lack, install = append(lack, strings.TrimSpace(p.Name+" "+p.Version)+" "+p.Wrong), append(install, p.Name)
			continue
		}
		have = append(have, p.Name+" "+p.Version)
	}
	check.Detail = strings.Join(have, ", ")
	if len(lack) > 0 {
		check.State, check.Detail = Missing, strings.Join(lack, ", ")
		check.Enable = a.Executable + " -m pip install --upgrade " + strings.Join(install, " ")
	}
	return check
}

// ask runs inferscope.checks.
func ask(ctx context.Context, o Options) (answers, error) {
	ctx, cancel := context.WithTimeout(ctx, pythonPatience)
	defer cancel()
	var out, failure bytes.Buffer
	run := exec.CommandContext(ctx, o.Python, "-m", "inferscope.checks")
	// The package must be the one that the command was called through, whatever lies in the working directory.
	run.Dir = "/"
	run.Env = append(os.Environ(), "PYTHONPATH="+strings.TrimSuffix(o.PackageRoot+":"+os.Getenv("PYTHONPATH"), ":"))
	run.Stdout, run.Stderr = &limited{&out}, &limited{&failure}
	run.WaitDelay = time.Second
	var a answers
	if err := run.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(failure.String()), "\n")
		if last := lines[len(lines)-1]; last != "" {
			err = errors.New(last)
		}
		return a, err
	}
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return a, fmt.Errorf("what it said is not the answer: %w", err)
	}
	return a, nil
}

// limited keeps the first maxAnswer bytes.
type limited struct{ to *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.to.Write(p[:min(len(p), max(0, maxAnswer-l.to.Len()))])
	return len(p), nil
}
