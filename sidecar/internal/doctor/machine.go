package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect/ebpf"
)

// machine is what the kernel shows of the hardware, below root.
type machine struct{ root string }

func (m machine) checks() []Check {
	return []Check{m.kernel(), m.gpu(), m.driver()}
}

func (m machine) kernel() Check {
	check := Check{Group: "machine", Part: "kernel", State: Works}
	var uts unix.Utsname
	release := "an unknown release"
	if unix.Uname(&uts) == nil {
		release = unix.ByteSliceToString(uts.Release[:])
	}
	check.Detail = "Linux " + release + ", which describes its types (BTF)"
	if enable, err := ebpf.KernelSupport(); err != nil {
		check.State, check.Detail, check.Enable = Absent, "without eBPF: "+err.Error(), enable
	}
	return check
}

// nvidiaVendor is NVIDIA's number in the PCI registry, displayClass the upper byte of
// the class of everything that draws or computes.
const (
	nvidiaVendor = "0x10de"
	displayClass = "0x03"
)

// devices are the PCI addresses of NVIDIA's GPUs. On a machine whose devices do not
// sit on PCI (Jetson, WSL) the driver's own files tell.
func (m machine) devices() []string {
	var found []string
	entries, _ := os.ReadDir(m.root + "/sys/bus/pci/devices")
	for _, entry := range entries {
		dir := filepath.Join(m.root, "/sys/bus/pci/devices", entry.Name())
		if m.line(dir+"/vendor") == nvidiaVendor && strings.HasPrefix(m.line(dir+"/class"), displayClass) {
			found = append(found, entry.Name())
		}
	}
	if len(found) == 0 {
		for _, name := range []string{"/dev/nvidiactl", "/dev/nvhost-ctrl-gpu", "/dev/dxg"} {
			if _, err := os.Stat(m.root + name); err == nil {
				return []string{name}
			}
		}
	}
	return found
}

func (m machine) hasGPU() bool { return len(m.devices()) > 0 }

func (m machine) gpu() Check {
	check := Check{Group: "machine", Part: "gpu", State: Absent, Detail: "no NVIDIA GPU"}
	if found := m.devices(); len(found) > 0 {
		check.State, check.Detail = Works, "NVIDIA "+strings.Join(found, ", ")
	}
	return check
}

// driver is NVIDIA's kernel module and the library that CUDA is reached through.
func (m machine) driver() Check {
	check := Check{Group: "machine", Part: "driver", State: Absent, Detail: noGPU}
	if !m.hasGPU() {
		return check
	}
	check.State = Missing
	version := m.line(m.root + "/proc/driver/nvidia/version")
	_, withoutModule := os.Stat(m.root + "/dev/nvidiactl")
	_, withoutWSL := os.Stat(m.root + "/dev/dxg")
	if withoutModule != nil && withoutWSL != nil {
		check.Detail, check.Enable = "the device files of the NVIDIA driver are not here", "install the NVIDIA driver; in a container: docker run --gpus all"
		return check
	}
	if err := loads("libcuda.so.1"); err != nil {
		check.Detail, check.Enable = "libcuda.so.1 cannot be loaded: "+err.Error(), driverLibraries
		return check
	}
	check.State, check.Detail = Works, strings.TrimSpace("libcuda.so.1; "+version)
	return check
}

// driverLibraries is how libcuda and NVML come to where the driver's kernel module is.
const driverLibraries = "install the NVIDIA driver's libraries; in a container: docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility"

const noGPU = "this machine has no NVIDIA GPU"

// loads says whether a library can be loaded; it is unloaded again.
func loads(name string) error {
	library := dl.New(name, dl.RTLD_LAZY|dl.RTLD_LOCAL)
	if err := library.Open(); err != nil {
		return errors.New(strings.TrimSpace(err.Error()))
	}
	return library.Close()
}

// line is the first line of a file of the kernel; empty when there is none.
func (machine) line(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}
