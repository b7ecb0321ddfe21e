package nsys

import (
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/sqlite"
)

// The tables of the metrics that GPUs sample (`nsys profile --gpu-metrics-devices`), and of their names.
const (
	metricTable     = "GPU_METRICS"
	metricNameTable = "TARGET_INFO_GPU_METRICS"
)

// metrics are those that are read, by how their names begin: an export has dozens, at
// 10 kHz. Their values are in percent.
var metrics = []struct{ prefix, what string }{
	{"SMs Active", timeline.CounterSMActivity},
	{"Tensor Active", timeline.CounterTensorActivity},
	{"DRAM Read Bandwidth", timeline.CounterDRAMRead},
	{"DRAM Write Bandwidth", timeline.CounterDRAMWrite},
}

// metricKey is a metric of one GPU: a source of samples, whose lowest byte is the GPU's number. NVIDIA does not
// document that; nsys2prv of the Barcelona Supercomputing Center, which converts these exports, reads it so.
type metricKey struct{ source, metric int64 }

// metrics reads what GPUs counted over time.
func (r *reader) metrics() error {
	cuda := map[int64]int64{} // the numbers that CUDA has for GPUs, where the export tells them
	err := r.rows("TARGET_INFO_CUDA_DEVICE", []string{"gpuId", "cudaId"}, func(v []sqlite.Value) {
		if v[0].Kind == sqlite.Integer && v[1].Kind == sqlite.Integer && len(cuda) < importer.MaxDevices {
			cuda[v[0].Int] = v[1].Int
		}
	})
	if err != nil {
		return err
	}
	names := map[metricKey]string{}
	err = r.rows(metricNameTable, []string{"typeId", "metricId", "metricName"}, func(v []sqlite.Value) {
		name, unit, united := strings.Cut(v[2].String(), " [")
		at := slices.IndexFunc(metrics, func(m struct{ prefix, what string }) bool { return strings.HasPrefix(name, m.prefix) })
		if at < 0 || len(names) >= importer.MaxDevices*len(metrics) || united && !strings.HasSuffix(unit, "%]") {
			return // some are there in other units too
		}
		gpu := v[0].Int & 0xff
		if n, ok := cuda[gpu]; ok && n >= 0 && n < importer.MaxDevices {
			gpu = n
		}
		names[metricKey{v[0].Int, v[1].Int}] = timeline.GPUCounter(int(gpu), metrics[at].what)
	})
	if err != nil || len(names) == 0 {
		return err
	}
	return r.rows(metricTable, []string{"timestamp", "typeId", "metricId", "value"}, func(v []sqlite.Value) {
		name, ok := names[metricKey{v[1].Int, v[2].Int}]
		switch {
		case !ok:
		case v[0].Kind != sqlite.Integer || v[3].Kind != sqlite.Integer:
			r.a.Lose("readings of the GPU's metrics had no time or no value", 1)
		default:
			r.a.Counter(name, timeline.UnitShare, v[0].Int, float64(v[3].Int)/100)
		}
	})
}
