package markdown

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// What a compact report holds of the devices at most.
const (
	devicesShown = 4
	kernelsShown = 5
	copiesShown  = 6
	kernelWidth  = 80
)

// gpu says what the devices did with the cell's time, and why they did not do more; nothing without a device.
func gpu(b *bytes.Buffer, r *result.Result) {
	if len(r.Devices) == 0 {
		return
	}
	b.WriteString("\n**The GPU**\n\n")
	for i, d := range r.Devices {
		if i == devicesShown {
			fmt.Fprintf(b, "- and %s\n", report.Plural(int64(len(r.Devices)-i), "more GPU"))
			break
		}
		fmt.Fprintf(b, "- %s: %s; %s", plain(report.DeviceTitle(d)), report.Spent(d), report.Work(d))
		if facts := report.Facts(report.KeyFacts(d)); facts != "" {
			fmt.Fprintf(b, "; %s", plain(facts))
		}
		b.WriteString(".")
		if s := report.Estimated(d); s != "" {
			b.WriteString(" " + strings.TrimSuffix(s, report.CaptureAll) + code(report.CaptureAll, name) + ".")
		}
		for _, s := range report.Carried(r, d) {
			b.WriteString(" " + s)
		}
		b.WriteByte('\n')
	}
	intro := report.IdleIntro(r)
	if intro == "" || len(r.Idle.Causes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| Where the GPU's idle time went (%s) | GPU idle | Share | Line |\n|:--|--:|--:|:--|\n", intro)
	for i, c := range r.Idle.Causes {
		share := report.Share(c.Ns, r.Idle.TotalNs)
		if i >= causesShown || i > 0 && share < 0.005 {
			break
		}
		causeRow(b, c, nil, share)
	}
}

// work lists the kernels and the copies that took longest.
func work(b *bytes.Buffer, r *result.Result) {
	for _, d := range r.Devices[:min(len(r.Devices), devicesShown)] {
		of := ""
		if len(r.Devices) > 1 {
			of = ", GPU " + strconv.Itoa(int(d.Index))
		}
		if len(d.TopKernels) > 0 {
			fmt.Fprintf(b, "\n| Top kernels%s | Launches | Time | Share | Line |\n|:--|--:|--:|--:|--:|\n", of)
			for _, k := range d.TopKernels[:min(len(d.TopKernels), kernelsShown)] {
				line := ""
				if k.Line.Number > 0 {
					line = strconv.Itoa(int(k.Line.Number))
				}
				fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", cellCode(report.Kernel(k.Name, kernelWidth)), report.Count(k.Count)+report.Within(k.Count, k.CountRange, report.AboutCount), report.Duration(k.Ns)+report.Within(k.Ns, k.NsRange, report.About),
					report.Percent(report.Share(k.Ns, d.KernelSumNs)), line)
			}
		}
		if len(d.Copies) > 0 {
			fmt.Fprintf(b, "\n| Copies%s | Count | Bytes | Time | Speed |\n|:--|--:|--:|--:|--:|\n", of)
			for _, c := range d.Copies[:min(len(d.Copies), copiesShown)] {
				fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", plain(report.CopyWords(c)), report.Count(c.Count)+report.Within(c.Count, c.CountRange, report.AboutCount), report.Bytes(c.Bytes), report.Duration(c.Ns)+report.Within(c.Ns, c.NsRange, report.About),
					report.Bandwidth(c.Bytes, c.Ns))
			}
		}
	}
}

// plain is text without formatting, made visible before.
func plain(s string) string { return special.Replace(s) }
