package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/internal/session"
)

// tree writes files, by their path below a folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMachine(t *testing.T) {
	gpu := map[string]string{"sys/bus/pci/devices/0000:04:00.0/vendor": "0x10de\n", "sys/bus/pci/devices/0000:04:00.0/class": "0x030200\n"}
	for _, c := range []struct {
		name        string
		files       map[string]string
		gpu, driver State
	}{
		{"nothing", nil, Absent, Absent},
		{"another vendor's", map[string]string{"sys/bus/pci/devices/0/vendor": "0x1002\n", "sys/bus/pci/devices/0/class": "0x030000\n"}, Absent, Absent},
		{"the sound of a GPU", map[string]string{"sys/bus/pci/devices/0/vendor": "0x10de\n", "sys/bus/pci/devices/0/class": "0x040300\n"}, Absent, Absent},
		{"a GPU without its driver", gpu, Works, Missing},
	} {
		m := machine{root: tree(t, c.files)}
		if g, d := m.gpu(), m.driver(); g.State != c.gpu || d.State != c.driver || (d.State == Missing) != (d.Enable != "") {
			t.Errorf("%s: %+v, %+v", c.name, g, d)
		}
	}
	// The driver's files alone, as in a container that is not shown the PCI bus.
	m := machine{root: tree(t, map[string]string{"dev/nvidiactl": "", "proc/driver/nvidia/version": "NVRM version: 580\nGCC\n"})}
	driver := m.driver()
	if err := loads("libcuda.so.1"); err != nil {
		if driver.State != Missing || !strings.Contains(driver.Detail, "libcuda.so.1") || driver.Enable == "" {
			t.Errorf("%v: %+v", err, driver)
		}
	} else if driver.State != Works || !strings.HasSuffix(driver.Detail, "NVRM version: 580") {
		t.Errorf("%+v", driver)
	}
}

// told is a collector with a status and nothing else.
type told struct {
	status collect.Status
	warm   error
	closed bool
}

func (c *told) Name() string           { return c.status.Name }
func (c *told) Status() collect.Status { return c.status }
func (c *told) Warm() error            { return c.warm }
func (c *told) Close() error           { c.closed = true; return nil }
func (c *told) Begin(context.Context, collect.Target, *timeline.Builder) (collect.Session, error) {
	return nil, errors.New("nothing is collected")
}

func TestCollectors(t *testing.T) {
	works := func(name string) *told {
		return &told{status: collect.Status{Name: name, Available: true, Detail: "sees"}}
	}
	lacks := func(name string) *told {
		return &told{status: collect.Status{Name: name, Detail: "blind", Enable: "look"}}
	}
	limited := &told{status: collect.Status{Name: "b", Available: true, Detail: "sees little", Enable: "look"}}
	broken := works("d")
	broken.warm = errors.New("cannot load")
	for _, c := range []struct {
		ladder, gpu []*told
		hasGPU      bool
		want        string
	}{
		{[]*told{works("a"), works("b")}, nil, false, "a works sees; b works sees"},
		{[]*told{lacks("a"), works("b"), lacks("c")}, nil, false, "a missing blind; b works sees; c spare blind"},
		{[]*told{limited, lacks("c")}, nil, false, "b limited sees little; c spare blind"},
		{[]*told{broken, lacks("c")}, nil, false, "d missing cannot load; c missing blind"},
		{nil, []*told{works("g"), lacks("h")}, false, "g absent " + noGPU + "; h absent " + noGPU},
		{nil, []*told{works("g"), lacks("h")}, true, "g works sees; h missing blind"},
		{nil, []*told{works("capture"), lacks("instead"), lacks("g")}, true, "capture works sees; instead spare blind; g missing blind"},
		{nil, []*told{lacks("capture"), lacks("instead")}, true, "capture missing blind; instead missing blind"},
		{nil, []*told{works("capture"), works("instead")}, true, "capture works sees; instead works sees"},
	} {
		var sources session.Sources
		for _, one := range c.ladder {
			sources.Ladder = append(sources.Ladder, session.Rung{Collector: one})
		}
		for _, one := range c.gpu {
			switch one.Name() {
			case "capture":
				sources.Capture = one
			case "instead":
				sources.Instead = one
			default:
				sources.GPU = append(sources.GPU, one)
			}
		}
		var got []string
		for _, check := range collectors(sources, c.hasGPU) {
			got = append(got, fmt.Sprintf("%s %s %s", check.Part, check.State, check.Detail))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%q, want %q", strings.Join(got, "; "), c.want)
		}
		for _, one := range append(c.ladder, c.gpu...) {
			if !one.closed {
				t.Errorf("%s is not closed", one.Name())
			}
		}
	}
}

func TestAnInterpreterThatDoesNotAnswer(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for script, want := range map[string]string{
		"exit 3": "exit status 3",
		"echo first >&2; echo the last >&2; exit 1": "the last",
		"echo nonsense":             "is not the answer",
		"head -c 3000000 /dev/zero": "is not the answer",
		"":                          "is not the answer",
	} {
		root := tree(t, map[string]string{"python": "#!/bin/sh\n" + script + "\n"})
		checks := python(context.Background(), Options{Python: root + "/python"}, false)
		if len(checks) != 1 || checks[0].State != Missing || !strings.Contains(checks[0].Detail, want) {
			t.Errorf("%q: %+v", script, checks)
		}
	}
	root := tree(t, map[string]string{"python": "#!/bin/sh\nexec sleep 1000\n"})
	if checks := python(cancelled, Options{Python: root + "/python"}, false); len(checks) != 1 || checks[0].State != Missing {
		t.Errorf("%+v", checks)
	}
	if checks := python(context.Background(), Options{Python: "/nonexistent/python"}, false); checks[0].State != Missing {
		t.Errorf("%+v", checks)
	}
}

func TestAnInterpretersAnswer(t *testing.T) {
	answer := `{"python": "3.12.1", "executable": "/py", "packages": [{"name": "ipython", "version": "9.1", "wrong": ""},
		{"name": "pyzmq", "version": "", "wrong": "is not installed"}], "shim": {"works": true, "detail": "s", "enable": ""},
		"cupti": {"works": false, "detail": "none", "enable": "get it"}, "calibration": {"works": true}, "sidecar": {"works": false, "detail": "dead"}}`
	root := tree(t, map[string]string{"python": "#!/bin/sh\necho \"$PWD $1 $2 $PYTHONPATH\" > $0.called\ncat <<'END'\n" + answer + "\nEND\n"})
	t.Setenv("PYTHONPATH", "/more")
	for hasGPU, cupti := range map[bool]State{false: Absent, true: Missing} {
		states := map[string]Check{}
		for _, check := range python(context.Background(), Options{Python: root + "/python", PackageRoot: "/package"}, hasGPU) {
			states[check.Part] = check
		}
		if states["interpreter"].State != Works || states["shim"].State != Works || states["sidecar"].State != Missing || states["cupti-library"].State != cupti {
			t.Errorf("%+v", states)
		}
		if p := states["packages"]; p.State != Missing || p.Detail != "pyzmq is not installed" || p.Enable != "/py -m pip install --upgrade pyzmq" {
			t.Errorf("%+v", p)
		}
	}
	called, err := os.ReadFile(root + "/python.called")
	if err != nil || string(called) != "/ -m inferscope.checks /package:/more\n" {
		t.Errorf("%q %v", called, err)
	}
}

func TestHistory(t *testing.T) {
	root := tree(t, map[string]string{"file": ""})
	for _, c := range []struct {
		settings config.Settings
		want     State
	}{
		{config.Settings{HistoryRuns: 1, HistoryBytes: 1, HistoryPath: root}, Works},
		{config.Settings{HistoryRuns: 1, HistoryBytes: 1, HistoryPath: root + "/a/b/c"}, Works},
		{config.Settings{HistoryRuns: 1, HistoryBytes: 1, HistoryPath: root + "/file"}, Missing},
		{config.Settings{HistoryRuns: 1, HistoryBytes: 1, HistoryPath: root + "/file/a"}, Missing},
		{config.Settings{HistoryRuns: 1, HistoryBytes: 1}, Missing},
		{config.Settings{HistoryBytes: 1, HistoryPath: root}, Spare},
		{config.Settings{HistoryRuns: 1, HistoryPath: root}, Spare},
	} {
		if check := history(c.settings); check.State != c.want || (check.State == Missing) != (check.Enable != "") {
			t.Errorf("%+v: %+v", c.settings, check)
		}
	}
	if _, err := os.Stat(root + "/a"); err == nil {
		t.Error("the doctor has made a folder")
	}
}
