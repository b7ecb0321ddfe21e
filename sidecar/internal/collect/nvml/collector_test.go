package nvml

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// hasGPU says whether this machine has an NVIDIA device.
func hasGPU() bool {
	_, err := os.Stat("/dev/nvidiactl")
	return err == nil
}

func TestMachineWithoutADriver(t *testing.T) {
	if hasGPU() {
		t.Skip("this machine has an NVIDIA device: /dev/nvidiactl")
	}
	c := New()
	defer c.Close()
	for range 3 {
		s := c.Status()
		if s.Available || s.Name != "nvml" || !strings.HasPrefix(s.Detail, "no NVIDIA driver answers (") {
			t.Errorf("%+v", s)
		}
	}
	if err := c.Warm(); err == nil {
		t.Error("Warm found a driver")
	}
	if session, err := c.Begin(context.Background(), collect.Target{}, timeline.NewBuilder()); err == nil || session != nil {
		t.Errorf("Begin: %v, %v", session, err)
	}
}

func TestRealDevice(t *testing.T) {
	if !hasGPU() {
		t.Skip("this machine has no NVIDIA device: there is no /dev/nvidiactl")
	}
	c := New()
	defer c.Close()
	if s := c.Status(); !s.Available {
		t.Fatalf("%+v", s)
	}
	tl := cell(t, c, 300*time.Millisecond)
	for _, s := range tl.Sensors {
		if s.Name == "" || s.PCI == "" || s.MemoryTotal <= 0 || s.MemoryEnd <= 0 || s.PowerMaxW <= 0 || s.UtilizationAvg < 0 || s.UtilizationAvg > 1 {
			t.Errorf("%+v", s)
		}
	}
}

// cell collects for a time.
func cell(t *testing.T, c *Collector, lasts time.Duration) *timeline.Timeline {
	t.Helper()
	b := timeline.NewBuilder()
	start := monotonic()
	session, err := c.Begin(context.Background(), collect.Target{PID: os.Getpid()}, b)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(lasts)
	window := timeline.Interval{Start: start, End: monotonic() + int64(time.Second)}
	if err := session.Finish(window); err != nil {
		t.Fatal(err)
	}
	return b.Build(window)
}

// card is a device with the answers of a moment; a test changes them.
type card struct {
	mock.Device
	lib *mock.Interface

	energy, sent, received uint64
	util                   nvml.Utilization
	milliwatts, mhz        uint32
	used                   uint64
	reasons                uint64
	celsius                uint32
	processes              []nvml.ProcessInfo
	missing                map[string]bool // symbols that the driver does not have
	refuse                 nvml.Return     // of every reading, when not SUCCESS
	fields                 map[uint32]bool // that are refused
	mig                    int
	freed, allocated       atomic.Int32
}

func newCard() *card {
	c := &card{missing: map[string]bool{}, fields: map[uint32]bool{}}
	c.Device = mock.Device{
		GetNameFunc: func() (string, nvml.Return) { return "NVIDIA H100", nvml.SUCCESS },
		GetPciInfoFunc: func() (nvml.PciInfo, nvml.Return) {
			return nvml.PciInfo{Domain: 0, Bus: 0x1b, Device: 0}, nvml.SUCCESS
		},
		GetMigModeFunc:                func() (int, int, nvml.Return) { return c.mig, c.mig, nvml.SUCCESS },
		GetEnforcedPowerLimitFunc:     func() (uint32, nvml.Return) { return 700_000, c.refuse },
		GetTotalEnergyConsumptionFunc: func() (uint64, nvml.Return) { return c.energy, c.refuse },
		GetUtilizationRatesFunc:       func() (nvml.Utilization, nvml.Return) { return c.util, c.refuse },
		GetPowerUsageFunc:             func() (uint32, nvml.Return) { return c.milliwatts + 1, c.refuse },
		GetClockInfoFunc:              func(nvml.ClockType) (uint32, nvml.Return) { return c.mhz, c.refuse },
		GetTemperatureFunc:            func(nvml.TemperatureSensors) (uint32, nvml.Return) { return c.celsius, c.refuse },
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) {
			return nvml.Memory{Total: 80 << 30, Used: c.used, Free: 80<<30 - c.used}, c.refuse
		},
		GetComputeRunningProcessesFunc:      func() ([]nvml.ProcessInfo, nvml.Return) { return c.processes, c.refuse },
		GetCurrentClocksEventReasonsFunc:    func() (uint64, nvml.Return) { return c.reasons, c.refuse },
		GetCurrentClocksThrottleReasonsFunc: func() (uint64, nvml.Return) { return c.reasons, c.refuse },
		GetFieldValuesFunc: func(values []nvml.FieldValue) nvml.Return {
			for i := range values {
				if c.fields[values[i].FieldId] {
					values[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
					continue
				}
				switch values[i].FieldId {
				case nvml.FI_DEV_PCIE_COUNT_TX_BYTES:
					binary.LittleEndian.PutUint64(values[i].Value[:], c.sent)
				case nvml.FI_DEV_PCIE_COUNT_RX_BYTES:
					binary.LittleEndian.PutUint64(values[i].Value[:], c.received)
				case nvml.FI_DEV_POWER_INSTANT:
					binary.LittleEndian.PutUint32(values[i].Value[:], c.milliwatts)
				}
			}
			return c.refuse
		},
	}
	c.lib = &mock.Interface{
		InitFunc:                   func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc:               func() nvml.Return { return nvml.SUCCESS },
		DeviceGetCountFunc:         func() (int, nvml.Return) { return 1, nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(int) (nvml.Device, nvml.Return) { return c, nvml.SUCCESS },
		ExtensionsFunc: func() nvml.ExtendedInterface {
			return &mock.ExtendedInterface{LookupSymbolFunc: func(s string) error {
				if c.missing[s] {
					return errors.New("no " + s)
				}
				return nil
			}}
		},
		GpmQueryDeviceSupportFunc: func(nvml.Device) (nvml.GpmSupport, nvml.Return) {
			return nvml.GpmSupport{IsSupportedDevice: 1}, nvml.SUCCESS
		},
		GpmSampleAllocFunc: func() (nvml.GpmSample, nvml.Return) {
			c.allocated.Add(1)
			return &mock.GpmSample{}, nvml.SUCCESS
		},
		GpmSampleFreeFunc: func(nvml.GpmSample) nvml.Return {
			c.freed.Add(1)
			return nvml.SUCCESS
		},
		GpmSampleGetFunc: func(nvml.Device, nvml.GpmSample) nvml.Return { return nvml.SUCCESS },
		GpmMetricsGetFunc: func(m *nvml.GpmMetricsGetType) nvml.Return {
			for i := range m.NumMetrics {
				m.Metrics[i].Value = float64(m.Metrics[i].MetricId)
				if nvml.GpmMetricId(m.Metrics[i].MetricId) == nvml.GPM_METRIC_ANY_TENSOR_UTIL {
					m.Metrics[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
				}
			}
			return nvml.SUCCESS
		},
	}
	return c
}

func (c *card) collector() *Collector {
	collector := New()
	collector.load = func() nvml.Interface { return c.lib }
	return collector
}

// reading makes one of the card without a collector's goroutine, so that a test
// decides when it is sampled.
func (c *card) reading(t *testing.T) *reading {
	t.Helper()
	collector := c.collector()
	if err := collector.Warm(); err != nil {
		t.Fatal(err)
	}
	return newReading(collector.lib, collector.devices[0], 42)
}

// anytime is a window without bounds.
var anytime = timeline.Interval{End: math.MaxInt64}

func near(x, y float64) bool { return math.Abs(x-y) < 1e-9 }

func TestSumsAndAverages(t *testing.T) {
	c := newCard()
	c.energy, c.sent, c.received, c.used = 5_000_000, 1000, 2000, 1<<30
	r := c.reading(t)
	r.begin()
	for i, s := range []struct {
		util, mem, watts, mhz, celsius uint32
		used, reasons                  uint64
	}{
		{100, 50, 300, 1980, 40, 4 << 30, nvml.ClocksEventReasonSwPowerCap},
		{50, 10, 600, 1500, 61, 9 << 30, nvml.ClocksEventReasonSwPowerCap | nvml.ClocksEventReasonSwThermalSlowdown},
		{0, 0, 90, 1980, 55, 2 << 30, nvml.ClocksEventReasonGpuIdle},
	} {
		c.util = nvml.Utilization{Gpu: s.util, Memory: s.mem}
		c.milliwatts, c.mhz, c.celsius, c.used, c.reasons = s.watts*1000, s.mhz, s.celsius, s.used, s.reasons
		r.sample(int64(1000 + i))
	}
	// The counters of the end, and the last sample.
	c.energy, c.sent, c.received = 5_123_500, 4000, 9000
	c.util, c.milliwatts, c.reasons = nvml.Utilization{Gpu: 50, Memory: 20}, 210_000, 0
	c.mhz, c.used = 1740, 3<<30
	c.processes = []nvml.ProcessInfo{{Pid: 42}, {Pid: 7}, {Pid: 8}}
	b := timeline.NewBuilder()
	out := r.end(anytime, b)
	r.free()

	if out.PCI != "0000:1b:00.0" || out.Name != "NVIDIA H100" || out.MIG {
		t.Errorf("%+v", out)
	}
	for name, pair := range map[string][2]float64{
		"energy":       {out.EnergyJ, 123.5},
		"limit":        {out.PowerLimitW, 700},
		"power":        {out.PowerAvgW, (300 + 600 + 90 + 210) / 4.0},
		"most power":   {out.PowerMaxW, 600},
		"utilisation":  {out.UtilizationAvg, 0.5},
		"memory's":     {out.MemoryUtilizationAvg, 0.2},
		"clock":        {out.SMClockAvgMHz, (1980 + 1500 + 1980 + 1740) / 4.0},
		"least clock":  {out.SMClockMinMHz, 1500},
		"most clock":   {out.SMClockMaxMHz, 1980},
		"temperature":  {out.TemperatureMaxC, 61},
		"memory":       {float64(out.MemoryStart), 1 << 30},
		"most memory":  {float64(out.MemoryPeak), 9 << 30},
		"memory last":  {float64(out.MemoryEnd), 3 << 30},
		"all memory":   {float64(out.MemoryTotal), 80 << 30},
		"sent":         {float64(out.PCIeSent), 3000},
		"received":     {float64(out.PCIeReceived), 7000},
		"others":       {float64(out.OtherProcesses), 2},
		"power cap":    {out.Throttled["power cap"], 0.5},
		"heat":         {out.Throttled["software thermal limit"], 0.25},
		"idle is none": {float64(len(out.Throttled)), 2},
	} {
		if !near(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
	if out.GPM != nil {
		t.Errorf("GPM values of a cell shorter than %d ns: %+v", gpmLeast, out.GPM)
	}
	if n := c.allocated.Load(); n == 0 || n != c.freed.Load() {
		t.Errorf("%d samples allocated, %d freed", n, c.freed.Load())
	}
	tl := b.Build(timeline.Interval{Start: 0, End: 1 << 62})
	counted := map[string]int{}
	for _, counter := range tl.Counters {
		counted[counter.Name] = len(counter.Value)
	}
	if want := map[string]int{"gpu0 power": 4, "gpu0 utilisation": 4, "gpu0 memory": 4, "gpu0 SM clock": 4}; !maps.Equal(counted, want) {
		t.Errorf("counters %v", counted)
	}
}

func TestHardwareAverages(t *testing.T) {
	c := newCard()
	r := c.reading(t)
	r.begin()
	r.activity.first -= 3 * gpmLeast
	out := r.end(anytime, timeline.NewBuilder())
	r.free()
	if out.GPM == nil {
		t.Fatal("none")
	}
	want := timeline.GPM{SMUtilization: float64(nvml.GPM_METRIC_SM_UTIL) / 100, SMOccupancy: float64(nvml.GPM_METRIC_SM_OCCUPANCY) / 100,
		TensorActive: -1, DRAMBandwidth: float64(nvml.GPM_METRIC_DRAM_BW_UTIL) / 100, IntervalNs: out.GPM.IntervalNs}
	if *out.GPM != want || out.GPM.IntervalNs < 3*gpmLeast {
		t.Errorf("%+v, want %+v", *out.GPM, want)
	}
	if c.allocated.Load() != 3 || c.freed.Load() != 3 {
		t.Errorf("%d samples allocated, %d freed", c.allocated.Load(), c.freed.Load())
	}
}

func TestNothingMayBeRead(t *testing.T) {
	c := newCard()
	c.refuse = nvml.ERROR_NO_PERMISSION
	c.lib.GpmQueryDeviceSupportFunc = func(nvml.Device) (nvml.GpmSupport, nvml.Return) { return nvml.GpmSupport{}, nvml.ERROR_NO_PERMISSION }
	r := c.reading(t)
	r.begin()
	r.sample(1)
	b := timeline.NewBuilder()
	out := r.end(anytime, b)
	r.free()
	want := timeline.Sensors{PCI: "0000:1b:00.0", Name: "NVIDIA H100", UtilizationAvg: -1, MemoryUtilizationAvg: -1, EnergyJ: -1,
		PowerAvgW: -1, PowerMaxW: -1, PowerLimitW: -1, MemoryStart: -1, MemoryPeak: -1, MemoryEnd: -1, MemoryTotal: -1, SMClockAvgMHz: -1,
		SMClockMinMHz: -1, SMClockMaxMHz: -1, TemperatureMaxC: -1, PCIeSent: -1, PCIeReceived: -1, OtherProcesses: -1}
	if !reflect.DeepEqual(out, want) {
		t.Errorf("%+v, want %+v", out, want)
	}
	for _, counter := range b.Build(timeline.Interval{End: 100}).Counters {
		if len(counter.Value) != 0 {
			t.Errorf("%s has values", counter.Name)
		}
	}
}

func TestSplitDevice(t *testing.T) {
	c := newCard()
	c.mig = nvml.DEVICE_MIG_ENABLE
	r := c.reading(t)
	r.begin()
	if out := r.end(anytime, timeline.NewBuilder()); !out.MIG || out.GPM != nil || c.allocated.Load() != 0 {
		t.Errorf("%+v, %d samples", out, c.allocated.Load())
	}
	r.free()
}

func TestOlderDriver(t *testing.T) {
	// Without these functions a call would end the process, so they must not be reached.
	c := newCard()
	c.missing = map[string]bool{"nvmlGpmMetricsGet": true, "nvmlGpmQueryDeviceSupport": true, "nvmlDeviceGetCurrentClocksEventReasons": true}
	c.lib.GpmQueryDeviceSupportFunc, c.lib.GpmSampleAllocFunc, c.GetCurrentClocksEventReasonsFunc = nil, nil, nil
	c.fields = map[uint32]bool{nvml.FI_DEV_POWER_INSTANT: true, nvml.FI_DEV_PCIE_COUNT_TX_BYTES: true}
	c.reasons, c.milliwatts = nvml.ClocksThrottleReasonHwSlowdown, 99_999
	r := c.reading(t)
	r.begin()
	r.sample(5)
	out := r.end(anytime, timeline.NewBuilder())
	r.free()
	if out.GPM != nil || !near(out.Throttled["hardware slowdown"], 1) || !near(out.PowerAvgW, 100) || out.PCIeSent != -1 || out.PCIeReceived != -1 {
		t.Errorf("%+v", out)
	}
}

func TestCountersThatWereReset(t *testing.T) {
	c := newCard()
	c.energy, c.sent, c.received = 100, 100, 100
	r := c.reading(t)
	r.begin()
	c.energy, c.sent, c.received = 5, 5, 500
	if out := r.end(anytime, timeline.NewBuilder()); out.EnergyJ != -1 || out.PCIeSent != -1 || out.PCIeReceived != -1 {
		t.Errorf("%+v", out)
	}
	r.free()
}

func TestOtherProcesses(t *testing.T) {
	proc := t.TempDir()
	for _, pid := range []string{"7", "8"} {
		if err := os.Mkdir(filepath.Join(proc, pid), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		pids []uint32
		want int
	}{
		"none": {nil, 0}, "only this one": {[]uint32{42}, 0}, "one more": {[]uint32{7, 42}, 1}, "others only": {[]uint32{7, 8}, 2},
		"of another namespace, this one perhaps among them": {[]uint32{31337}, -1},
	} {
		list := []nvml.ProcessInfo{}
		for _, pid := range c.pids {
			list = append(list, nvml.ProcessInfo{Pid: pid})
		}
		if got := others(list, 42, proc); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestSessionsOfAMachine(t *testing.T) {
	c := newCard()
	c.lib.DeviceGetCountFunc = func() (int, nvml.Return) { return 3, nvml.SUCCESS }
	c.lib.DeviceGetHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
		if i == 1 {
			return nil, nvml.ERROR_NO_PERMISSION // another container's
		}
		return c, nvml.SUCCESS
	}
	collector := c.collector()
	if s := collector.Status(); !s.Available || s.Detail != "power, clocks, memory and utilisation of NVIDIA H100 and 1 more" {
		t.Errorf("%+v", s)
	}
	tl := cell(t, collector, 0)
	indices := []int{}
	for _, s := range tl.Sensors {
		indices = append(indices, s.Index)
	}
	if !slices.Equal(indices, []int{0, 2}) {
		t.Errorf("devices %v", indices)
	}
	session, err := collector.Begin(context.Background(), collect.Target{PID: 1}, timeline.NewBuilder())
	if err != nil {
		t.Fatal(err)
	}
	session.Abort()
	if err := collector.Close(); err != nil {
		t.Fatal(err)
	}
	if c.allocated.Load() != c.freed.Load() {
		t.Errorf("%d samples allocated, %d freed", c.allocated.Load(), c.freed.Load())
	}
	if n := len(c.lib.ShutdownCalls()); n != 1 {
		t.Errorf("shut down %d times", n)
	}
}

func TestNoDeviceMayBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		change func(lib *mock.Interface)
		want   string
	}{
		"kernel module": {func(l *mock.Interface) { l.InitFunc = func() nvml.Return { return nvml.ERROR_DRIVER_NOT_LOADED } },
			"no NVIDIA driver answers (the kernel module is not loaded)"},
		"no device": {func(l *mock.Interface) { l.DeviceGetCountFunc = func() (int, nvml.Return) { return 0, nvml.SUCCESS } },
			"the NVIDIA driver shows no device"},
		"no permission": {func(l *mock.Interface) {
			l.DeviceGetHandleByIndexFunc = func(int) (nvml.Device, nvml.Return) { return nil, nvml.ERROR_NO_PERMISSION }
		}, "none of 1 NVIDIA devices may be read"},
	} {
		t.Run(name, func(t *testing.T) {
			card := newCard()
			c.change(card.lib)
			collector := card.collector()
			for range 2 {
				if s := collector.Status(); s.Available || s.Detail != c.want {
					t.Errorf("%+v, want %q", s, c.want)
				}
			}
			if n := len(card.lib.InitCalls()); n != 1 {
				t.Errorf("initialised %d times", n)
			}
			if err := collector.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReadingsCostOnePartInAHundred(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct{ elapsed, took, want time.Duration }{
		{0, ms / 10, 50 * ms}, {400 * ms, ms / 10, 100 * ms}, {time.Minute, ms / 10, 250 * ms}, {0, 3 * ms, 300 * ms}, {time.Minute, 9 * ms, 900 * ms},
	} {
		if got := distance(c.elapsed, c.took); got != c.want {
			t.Errorf("%v after the start, a round of %v: %v, want %v", c.elapsed, c.took, got, c.want)
		}
	}
}

func TestBusyIsTheBusiestDeviceAndPowerThatOfAll(t *testing.T) {
	idle, hard, mute := newCard(), newCard(), newCard()
	idle.milliwatts, hard.milliwatts = 50_000, 200_000
	idle.util, hard.util, mute.refuse = nvml.Utilization{Gpu: 3}, nvml.Utilization{Gpu: 75}, nvml.ERROR_NOT_SUPPORTED
	s := &session{readings: []*reading{mute.reading(t), idle.reading(t), hard.reading(t)}}
	s.sample()
	if busy, ok := s.Busy(); !ok || !near(busy, 0.75) {
		t.Errorf("busy %v, %v", busy, ok)
	}
	if active, ok := s.Activity(); ok {
		t.Errorf("SMs active %v before there was an interval", active)
	}
	for i, share := range []float64{0.5, 0.25} {
		s.readings[i].activity.averages = []average{{of: shares{1}}, {of: shares{share}}}
	}
	s.sample()
	if active, ok := s.Activity(); !ok || !near(active, 0.5) {
		t.Errorf("SMs active %v, %v", active, ok)
	}
	if watts, ok := s.Power(); !ok || !near(watts, 250) {
		t.Errorf("they draw %v W together, %v", watts, ok)
	}
	s = &session{readings: []*reading{mute.reading(t)}}
	s.sample()
	if busy, ok := s.Busy(); ok {
		t.Errorf("a device that does not tell is busy %v", busy)
	}
	if watts, ok := s.Power(); ok {
		t.Errorf("a device that does not tell draws %v W", watts)
	}
}
