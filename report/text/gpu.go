package text

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// What a screenful holds of the devices.
const (
	devicesShown = 4
	kernelsShown = 4
	copiesShown  = 4
)

// gpu says what the devices did with the cell's time, and why they did not do more; nothing without a device.
func gpu(b *screen, r *result.Result) {
	if len(r.Devices) == 0 {
		return
	}
	b.title("THE GPU")
	for i, d := range r.Devices {
		if i == devicesShown {
			fmt.Fprintf(b, "  and %s\n", report.Plural(int64(len(r.Devices)-i), "more GPU"))
			break
		}
		wrap(b, "  ", "    ", report.DeviceTitle(d)+": "+report.Spent(d)+".")
		facts := report.Work(d)
		if s := report.Facts(report.KeyFacts(d)); s != "" {
			facts += ", " + s
		}
		wrap(b, "    ", "    ", facts+".")
		wrap(b, "    ", "    ", report.Estimated(d))
		for _, s := range report.Carried(r, d) {
			wrap(b, "    ", "    ", s)
		}
	}
	intro := report.IdleIntro(r)
	if intro == "" || len(r.Idle.Causes) == 0 {
		return
	}
	b.title("WHERE THE GPU'S IDLE TIME WENT (" + intro + ")")
	for i, c := range r.Idle.Causes {
		share := report.Share(c.Ns, r.Idle.TotalNs)
		if i >= causesShown || i > 0 && share < 0.005 {
			break
		}
		causeRow(b, c, nil, share)
	}
}

// work lists the kernels and the copies that took longest.
func work(b *screen, r *result.Result) {
	for _, d := range r.Devices[:min(len(r.Devices), devicesShown)] {
		of := ""
		if len(r.Devices) > 1 {
			of = ", GPU " + strconv.Itoa(int(d.Index))
		}
		if len(d.TopKernels) > 0 {
			b.title("TOP KERNELS" + of)
			for _, k := range d.TopKernels[:min(len(d.TopKernels), kernelsShown)] {
				within := strings.TrimSpace(report.Within(k.Ns, k.NsRange, report.About))
				row(b, fmt.Sprintf("%9s %5s %9s  %s", report.Duration(k.Ns), report.Percent(report.Share(k.Ns, d.KernelSumNs)), "×"+report.Count(k.Count),
					strings.TrimSpace(within+"  "+report.Kernel(k.Name, b.width-28-report.Columns(within)))))
			}
		}
		if len(d.Copies) > 0 {
			b.title("COPIES" + of)
			for _, c := range d.Copies[:min(len(d.Copies), copiesShown)] {
				row(b, fmt.Sprintf("%9s %9s %11s %7s  %s", report.Duration(c.Ns), report.Bytes(c.Bytes), report.Bandwidth(c.Bytes, c.Ns), "×"+report.Count(c.Count), report.CopyWords(c)))
			}
		}
	}
}

// positive writes n, or nothing when there is nothing.
func positive(n int64, word func(int64) string) string {
	if n <= 0 {
		return ""
	}
	return word(n)
}
