package nvml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// counted is a card whose own counters grow as a test says. A sample holds the
// counters of its moment, and metrics are differences of two samples: so a test sees
// which two were taken.
type counted struct {
	*card
	// clock and busy are in thousands of units; busy of the SMs, the occupancy, tensor cores and DRAM.
	clock int64
	busy  [4]int64
	// get and metrics are the answers, SUCCESS if not set; reads counts the samples taken.
	get, metrics nvml.Return
	reads        int
}

type gpmBuffer struct {
	mock.GpmSample
	clock int64
	busy  [4]int64
	freed bool
}

func newCounted(t *testing.T) *counted {
	c := &counted{card: newCard()}
	c.lib.GpmSampleAllocFunc = func() (nvml.GpmSample, nvml.Return) {
		c.allocated.Add(1)
		return &gpmBuffer{}, nvml.SUCCESS
	}
	c.lib.GpmSampleFreeFunc = func(s nvml.GpmSample) nvml.Return {
		if b := s.(*gpmBuffer); b.freed {
			t.Error("a sample is freed twice")
		} else {
			b.freed = true
		}
		c.freed.Add(1)
		return nvml.SUCCESS
	}
	c.lib.GpmSampleGetFunc = func(_ nvml.Device, s nvml.GpmSample) nvml.Return {
		c.reads++
		b := s.(*gpmBuffer)
		if b.freed {
			t.Error("a sample is used that was freed")
		}
		b.clock, b.busy = c.clock, c.busy
		return c.get
	}
	c.lib.GpmMetricsGetFunc = func(m *nvml.GpmMetricsGetType) nvml.Return {
		from, to := m.Sample1.(*gpmBuffer), m.Sample2.(*gpmBuffer)
		for i := range m.NumMetrics {
			column := slices.Index(gpmMetrics[:], nvml.GpmMetricId(m.Metrics[i].MetricId))
			m.Metrics[i].Value = 100 * float64(to.busy[column]-from.busy[column]) / float64(to.clock-from.clock)
		}
		return c.metrics
	}
	return c
}

// runs lets the card work for a time, in ms, busy with these shares in thousandths.
func (c *counted) runs(ms int64, busy ...int64) {
	c.clock += 1000 * ms
	for i, share := range busy {
		c.busy[i] += share * ms
	}
}

const ms = 1_000_000

// courses lists a timeline's counters of activity as "name: time=value …", times in ms.
func courses(tl *timeline.Timeline) []string {
	out := []string{}
	for _, c := range tl.Counters {
		if _, what, ok := timeline.SplitGPUCounter(c.Name); !ok || !slices.Contains(timeline.ActivityCounters[:], what) {
			continue
		}
		text := c.Name + ":"
		for i, at := range c.Time {
			text += fmt.Sprintf(" %v=%.3g", float64(at)/ms, c.Value[i])
		}
		out = append(out, text)
	}
	return out
}

// take samples at a time in ms.
func (a *activity) take(at int64) { a.sample(at * ms) }

func (c *counted) activity(t *testing.T) *activity { return &c.reading(t).activity }

func TestActivityOverTime(t *testing.T) {
	c := newCounted(t)
	a := c.activity(t)
	a.begin(0)
	c.runs(50, 0, 0, 0, 0)
	a.take(50) // too early
	c.runs(60, 0, 0, 0, 0)
	a.take(110)
	c.runs(140, 900, 300, 700, 200)
	a.take(250)
	c.runs(100, 900, 300, 700, 200)
	a.take(350) // not more than 100 ms
	c.runs(10, 900, 300, 700, 200)
	a.take(360)
	c.runs(200, 100, 100, 0, 50)
	a.take(560)
	c.runs(40, 100, 100, 0, 50)
	whole := a.whole(600 * ms)
	b := timeline.NewBuilder()
	a.counters(2, timeline.Interval{Start: 20 * ms, End: 600 * ms}, b)
	a.free()
	a.free()
	want := []string{
		"gpu2 SM activity: 20=0 110=0.9 250=0.9 360=0.1 560=0.1",
		"gpu2 SM occupancy: 20=0 110=0.3 250=0.3 360=0.1 560=0.1",
		"gpu2 tensor activity: 20=0 110=0.7 250=0.7 360=0 560=0",
		"gpu2 DRAM bandwidth: 20=0 110=0.2 250=0.2 360=0.05 560=0.05",
	}
	if got := courses(b.Build(timeline.Interval{Start: 20 * ms, End: 600 * ms})); !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// The average of the whole cell reaches from its first sample to the last, whatever was in between.
	if whole == nil || whole.IntervalNs != 600*ms || !near(whole.SMUtilization, (250*.9+240*.1)/600) || !near(whole.TensorActive, 250*.7/600) {
		t.Errorf("the whole cell: %+v", whole)
	}
	if c.allocated.Load() != 3 || c.freed.Load() != 3 {
		t.Errorf("%d samples allocated, %d freed", c.allocated.Load(), c.freed.Load())
	}
	if loss, missed := a.loss(); missed {
		t.Errorf("%+v", loss)
	}
}

func TestActivityOfShortCells(t *testing.T) {
	for _, cell := range []struct {
		samples []int64
		lasts   int64
		whole   bool
		want    []string
	}{
		{nil, 99, false, []string{}},
		{nil, 100, true, []string{}},
		{[]int64{50}, 130, true, []string{}},
		{[]int64{50, 130}, 130, true, []string{"gpu0 SM activity: 0=0.5 130=0.5"}}, // the last is that of the end
	} {
		c := newCounted(t)
		a := c.activity(t)
		a.begin(0)
		at := int64(0)
		for _, next := range append(cell.samples, cell.lasts) {
			c.runs(next-at, 500)
			if at = next; slices.Contains(cell.samples, next) {
				a.take(at)
			}
		}
		whole := a.whole(cell.lasts * ms)
		if (whole != nil) != cell.whole || whole != nil && (!near(whole.SMUtilization, .5) || whole.IntervalNs != cell.lasts*ms) {
			t.Errorf("%d ms, samples at %v: %+v", cell.lasts, cell.samples, whole)
		}
		b := timeline.NewBuilder()
		a.counters(0, anytime, b)
		got := courses(b.Build(anytime))
		if len(got) > 1 {
			got = got[:1]
		}
		if !slices.Equal(got, cell.want) {
			t.Errorf("%d ms, samples at %v: %v, want %v", cell.lasts, cell.samples, got, cell.want)
		}
		a.free()
	}
}

// A reading that fails in between leaves no hole: the next interval covers both.
func TestActivityWithAnErrorInTheMiddle(t *testing.T) {
	for name, fails := range map[string]func(c *counted, ret nvml.Return){
		"sample":  func(c *counted, ret nvml.Return) { c.get = ret },
		"metrics": func(c *counted, ret nvml.Return) { c.metrics = ret },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounted(t)
			a := c.activity(t)
			a.begin(0)
			c.runs(200, 800)
			a.take(200)
			c.runs(200, 400)
			fails(c, nvml.ERROR_UNKNOWN)
			a.take(400)
			fails(c, nvml.SUCCESS)
			c.runs(200, 0)
			a.take(600)
			b := timeline.NewBuilder()
			a.counters(0, anytime, b)
			if got, want := courses(b.Build(anytime))[0], "gpu0 SM activity: 0=0.8 200=0.2 600=0.2"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if loss, missed := a.loss(); missed {
				t.Errorf("nothing was missed: %+v", loss)
			}

			// One that fails for good is given up, and said once; the cell's average may still be had.
			fails(c, nvml.ERROR_GPU_IS_LOST)
			for at := int64(800); at < 10_000; at += 200 {
				c.runs(200, 0)
				a.take(at)
			}
			if c.reads > 1+3+mostFailures {
				t.Errorf("%d samples were taken", c.reads)
			}
			loss, missed := a.loss()
			if want := "how busy the SMs and their tensor cores were is not known to the end of the cell: the driver stopped giving the GPU's own counters (NVML error 15)"; !missed || loss.Reason != want || loss.Count != 0 {
				t.Errorf("%+v, want %q", loss, want)
			}
			if a.whole(10_000*ms) != nil {
				t.Error("an average that the driver did not give")
			}
			fails(c, nvml.SUCCESS)
			if whole := a.whole(10_000 * ms); whole == nil || !near(whole.SMUtilization, (200*.8+200*.4)/float64(c.clock)*1000) {
				t.Errorf("%+v", whole)
			}
			a.free()
			if c.allocated.Load() != c.freed.Load() {
				t.Errorf("%d samples allocated, %d freed", c.allocated.Load(), c.freed.Load())
			}
		})
	}
}

func TestActivityThatCannotBeRead(t *testing.T) {
	unsupported := func(s nvml.GpmSupport, ret nvml.Return) func(*counted) {
		return func(c *counted) {
			c.lib.GpmQueryDeviceSupportFunc = func(nvml.Device) (nvml.GpmSupport, nvml.Return) { return s, ret }
		}
	}
	const before = "how busy the SMs and their tensor cores were was not seen: "
	for name, c := range map[string]struct {
		change func(c *counted)
		want   timeline.Loss
	}{
		"before Hopper": {unsupported(nvml.GpmSupport{}, nvml.SUCCESS), timeline.Loss{Reason: "GPUs before Hopper have no counters that can be read beside CUPTI"}},
		"MIG": {func(c *counted) { c.mig = nvml.DEVICE_MIG_ENABLE },
			timeline.Loss{Reason: "the GPU is split into instances (MIG), and its own counters are those of all of them"}},
		"no permission": {unsupported(nvml.GpmSupport{}, nvml.ERROR_NO_PERMISSION),
			timeline.Loss{Reason: "this user may not read the GPU's own counters", Enable: "run the kernel as root"}},
		"no permission for a sample": {func(c *counted) { c.get = nvml.ERROR_NO_PERMISSION },
			timeline.Loss{Reason: "this user may not read the GPU's own counters", Enable: "run the kernel as root"}},
		"no memory": {func(c *counted) {
			alloc := c.lib.GpmSampleAllocFunc
			c.lib.GpmSampleAllocFunc = func() (nvml.GpmSample, nvml.Return) {
				if c.allocated.Load() == 2 {
					return nil, nvml.ERROR_MEMORY
				}
				return alloc()
			}
		}, timeline.Loss{Reason: "the driver does not give the GPU's own counters (NVML error 20)"}},
		"an older driver": {func(c *counted) { c.missing = map[string]bool{"nvmlGpmSampleGet": true} },
			timeline.Loss{Reason: "the driver is too old to read the GPU's own counters", Enable: "install a newer driver"}},
	} {
		t.Run(name, func(t *testing.T) {
			card := newCounted(t)
			c.change(card)
			c.want.Source, c.want.Reason = "nvml", before+c.want.Reason
			for _, worked := range []bool{true, false} {
				card.util = nvml.Utilization{}
				if worked {
					card.util.Gpu = 40
				}
				// Two devices of the machine say it once.
				b := timeline.NewBuilder()
				for range 2 {
					r := card.reading(t)
					r.begin()
					r.sample(monotonic() + 200*ms)
					if out := r.end(anytime, b); out.GPM != nil {
						t.Errorf("averages that were not measured: %+v", out.GPM)
					}
					r.free()
				}
				tl := b.Build(anytime)
				want := []timeline.Loss{c.want}
				if !worked {
					want = nil // of a device that had nothing to do nothing was missed
				}
				if !reflect.DeepEqual(tl.Losses, want) {
					t.Errorf("worked %v: %+v, want %+v", worked, tl.Losses, want)
				}
				if got := courses(tl); len(got) > 0 {
					t.Errorf("counters of what was not measured: %v", got)
				}
			}
			if card.allocated.Load() != card.freed.Load() {
				t.Errorf("%d samples allocated, %d freed", card.allocated.Load(), card.freed.Load())
			}
		})
	}
}

// A value that the driver withholds, or that is none, is left out.
func TestActivityOfSomeMetrics(t *testing.T) {
	c := newCounted(t)
	metrics := c.lib.GpmMetricsGetFunc
	c.lib.GpmMetricsGetFunc = func(m *nvml.GpmMetricsGetType) nvml.Return {
		ret := metrics(m)
		m.Metrics[2].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
		return ret
	}
	a := c.activity(t)
	a.begin(0)
	c.runs(200, 100, 200, 300, 400)
	a.take(200)
	a.take(400) // no unit of the hardware's clock has passed: 0/0
	b := timeline.NewBuilder()
	a.counters(0, anytime, b)
	want := []string{"gpu0 SM activity: 0=0.1 200=0.1", "gpu0 SM occupancy: 0=0.2 200=0.2", "gpu0 DRAM bandwidth: 0=0.4 200=0.4"}
	if got := courses(b.Build(anytime)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	a.free()
}
