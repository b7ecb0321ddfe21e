package html

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// gpu shows what the devices did with the cell's time; nothing without a device.
func gpu(p *page, r *result.Result, limits limits) {
	if len(r.Devices) == 0 {
		return
	}
	list := r.Devices[:min(len(r.Devices), limits.devices)]
	p.heading(`The GPU`)
	for i, d := range list {
		space := markup("0")
		if i > 0 {
			space = "10px"
		}
		p.raw(`<div style="margin:`, space, ` 0 2px 0"><strong>`, escaped(report.DeviceTitle(d), 0), `</strong> · `, one(report.Work(d)), `</div>`)
		deviceBar(p, d)
		if s, ok := strings.CutSuffix(report.Estimated(d), report.CaptureAll); ok {
			p.raw(`<p style="margin-top:4px">`, escaped(s, 0))
			p.code(report.CaptureAll, 0)
			p.raw(`</p>`)
		}
		for _, s := range report.Carried(r, d) {
			p.raw(`<p style="margin-top:4px">`, escaped(s, 0), `</p>`)
		}
	}
	keyFacts(p, list)
	p.more(len(list), len(r.Devices), "GPU")
	idle(p, r, limits)
}

// deviceBar is the cell as the device spent it, with the key beside it in words.
func deviceBar(p *page, d result.Device) {
	var parts []segment
	list := report.Parts(d)
	for _, part := range list {
		if part.Name != "idle" {
			parts = append(parts, segment{part.Share, partColor[part.Name]})
		}
	}
	p.raw(bar("height:14px;margin:4px 0", parts...), `<div>`)
	for _, part := range list {
		if part.Share < 0.001 && part.Name != "idle" {
			continue
		}
		color := partColor[part.Name]
		if part.Name == "idle" {
			color = "#8883"
		}
		p.raw(`<span style="display:inline-block;margin-right:14px">`, swatch(color), one(report.PartWords(d, part)), ` <strong>`, one(report.Percent(part.Share)), `</strong> (`,
			one(report.Duration(part.Ns)+report.IdleWithin(d, part)), `)</span> `)
	}
	p.raw(`</div>`)
}

// keyFacts is a table with a row a device, and a column for each sensor that any of them has.
func keyFacts(p *page, list []result.Device) {
	var columns []column
	at := map[string]int{}
	for _, d := range list {
		for _, f := range report.KeyFacts(d) {
			if _, ok := at[f.Name]; !ok {
				at[f.Name] = len(columns)
				columns = append(columns, column{title: markup(f.Name)})
			}
		}
	}
	if len(columns) == 0 {
		return
	}
	if len(list) > 1 {
		columns = append([]column{{title: "GPU", width: "44px"}}, columns...)
	}
	p.raw(`<div style="margin-top:8px">`)
	p.table(columns...)
	for _, d := range list {
		cells := make([]markup, len(at))
		for _, f := range report.KeyFacts(d) {
			cells[at[f.Name]] = escaped(f.Value, 0)
		}
		p.raw(`<tr>`)
		if len(list) > 1 {
			p.raw(th, num(d.Index), `</th>`)
		}
		for _, c := range cells {
			if c == "" {
				c = "–"
			}
			p.td(c)
		}
		p.raw(`</tr>`)
	}
	p.raw(endTable, `</div>`)
}

// idle tells where the device's idle time went, unfolded when there is something to gain.
func idle(p *page, r *result.Result, limits limits) {
	intro := report.IdleIntro(r)
	if intro == "" || len(r.Idle.Causes) == 0 {
		return
	}
	const title = "Where the GPU’s idle time went"
	of := markup("")
	if len(r.Devices) > 1 {
		of = ` (the busiest GPU)`
	}
	folded := !report.IdleMatters(r)
	if folded {
		p.fold(title, one(intro)+of, false)
	} else {
		p.heading(title + ` <span style="font-weight:400;font-size:13px">` + one(intro) + of + `</span>`)
		var all []segment
		for _, c := range r.Idle.Causes[:min(len(r.Idle.Causes), limits.causes)] {
			all = append(all, segment{report.Share(c.Ns, r.Idle.TotalNs), colorOfCause(c.Kind)})
		}
		p.raw(bar("height:14px;margin:2px 0 6px", all...))
	}
	p.table(column{title: "Cause", width: "34%"}, column{title: "GPU idle", numeric: true, width: "76px"}, column{title: "Share", numeric: true, width: "54px"}, column{title: "Line"})
	shown, small, rest := 0, int64(0), 0
	named, explained := map[int32]bool{}, map[result.CauseKind]bool{}
	for _, c := range r.Idle.Causes {
		share := report.Share(c.Ns, r.Idle.TotalNs)
		if shown >= limits.causes || shown > 0 && share < 0.005 {
			small += c.Ns
			rest++
			continue
		}
		shown++
		p.raw(`<tr>`, th, swatch(colorOfCause(c.Kind)), escaped(report.Cause(c.Kind), 60))
		if m := report.CauseMeaning(c.Kind); m != "" && !explained[c.Kind] {
			p.raw(`<br>`, dim(escaped(m, 0)))
		}
		explained[c.Kind] = true
		p.raw(`</th>`)
		p.tdNum(one(report.Duration(c.Ns)) + within(c.Ns, c.Range, report.About))
		p.tdNum(one(report.Percent(share)))
		p.raw(td)
		mainly(p, nil, c, named, limits)
		p.raw(`</td></tr>`)
	}
	if small > 0 {
		p.raw(`<tr>`)
		p.td(`everything else`)
		p.tdNum(one(report.Duration(small)))
		p.tdNum(one(report.Percent(report.Share(small, r.Idle.TotalNs))))
		p.td(one(report.Plural(int64(rest), "more cause")))
		p.raw(`</tr>`)
	}
	p.raw(endTable)
	if folded {
		p.raw(endFold)
	}
}

// within is half of an estimate's interval, below it.
func within(n int64, r result.Range, words func(int64) string) markup {
	s := strings.TrimSpace(report.Within(n, r, words))
	if s == "" {
		return ""
	}
	return `<br>` + dim(one(s))
}

// dim is small text of less weight.
func dim(m markup) markup { return `<small>` + m + `</small>` }

// kernels lists the kernels with the largest sums, a device after the other; unfolded where they are the answer.
func kernels(p *page, r *result.Result, limits limits) {
	total, kinds := int64(0), 0
	for _, d := range r.Devices {
		kinds += len(d.TopKernels)
		total += d.Kernels
	}
	if kinds == 0 {
		return
	}
	first := r.Devices[0]
	for _, d := range r.Devices {
		if len(d.TopKernels) > 0 {
			first = d
			break
		}
	}
	k := first.TopKernels[0]
	p.fold("Top kernels", escaped(report.Kernel(k.Name, 48), 0)+`, `+one(report.Percent(report.Share(k.Ns, first.KernelSumNs))), r.Verdict.Class == result.GPUBound)
	for _, d := range r.Devices[:min(len(r.Devices), limits.devices)] {
		if len(d.TopKernels) == 0 {
			continue
		}
		deviceName(p, r, d)
		p.table(column{title: "Kernel"}, column{title: "Launches", numeric: true, width: "72px"}, column{title: "Time", numeric: true, width: "66px"},
			column{title: "Share", numeric: true, width: "54px"}, column{title: "Each", numeric: true, width: "66px"}, column{title: "From line", numeric: true, width: "60px"})
		for _, k := range d.TopKernels[:min(len(d.TopKernels), limits.kernels)] {
			p.raw(`<tr>`, td)
			kernelName(p, k.Name, limits)
			p.raw(`</td>`)
			p.tdNum(one(report.Count(k.Count)) + within(k.Count, k.CountRange, report.AboutCount))
			p.tdNum(one(report.Duration(k.Ns)) + within(k.Ns, k.NsRange, report.About))
			p.tdNum(one(report.Percent(report.Share(k.Ns, d.KernelSumNs))))
			p.tdNum(one(report.Duration(k.Ns / max(1, k.Count))))
			if k.Line.Number > 0 {
				p.tdNum(num(k.Line.Number))
			} else {
				p.tdNum("–")
			}
			p.raw(`</tr>`)
		}
		p.raw(endTable)
		p.more(limits.kernels, len(d.TopKernels), "kernel")
	}
	p.raw(`<p style="margin-top:4px;font-size:12px;`, dimStyle, `">Share is of all kernels’ time, overlap counted twice. A kernel that is half of it saves half of the wall time only if the cell waits for it.</p>`, endFold)
}

// kernelName shows the ends of a long name; all of it, within reason, is its title.
func kernelName(p *page, name string, limits limits) {
	short := report.Kernel(name, limits.kernelName)
	if full := report.FullKernel(name, limits.kernelTitle); full != short && name != "" {
		p.raw(`<code title="`, escaped(full, 0), `">`, escaped(short, 0), `</code>`)
		return
	}
	p.code(short, 0)
}

func deviceName(p *page, r *result.Result, d result.Device) {
	if len(r.Devices) > 1 {
		p.raw(`<p style="margin:6px 0 2px"><strong>`, escaped(report.DeviceTitle(d), 0), `</strong></p>`)
	}
}

// copies lists the copies by direction and sides; unfolded where they are the answer.
func copies(p *page, r *result.Result, limits limits) {
	var n, bytes, ns int64
	for _, d := range r.Devices {
		for _, c := range d.Copies {
			n, bytes, ns = n+c.Count, bytes+c.Bytes, ns+c.Ns
		}
	}
	if n == 0 {
		return
	}
	word := " copies, "
	if n == 1 {
		word = " copy, "
	}
	p.fold("Copies", one(report.Count(n)+word+report.Bytes(bytes)+", "+report.Duration(ns)), r.Verdict.Class == result.MemoryTransferBound)
	for _, d := range r.Devices[:min(len(r.Devices), limits.devices)] {
		if len(d.Copies) == 0 {
			continue
		}
		deviceName(p, r, d)
		p.table(column{title: "Direction"}, column{title: "From"}, column{title: "To"}, column{title: "Copies", numeric: true}, column{title: "Bytes", numeric: true},
			column{title: "Time", numeric: true}, column{title: "Speed", numeric: true})
		for _, c := range d.Copies[:min(len(d.Copies), limits.copies)] {
			p.raw(`<tr>`)
			p.td(escaped(report.Direction(c.Kind), 40))
			p.td(side(c.Source))
			p.td(side(c.Target))
			p.tdNum(one(report.Count(c.Count)) + within(c.Count, c.CountRange, report.AboutCount))
			p.tdNum(one(report.Bytes(c.Bytes)))
			p.tdNum(one(report.Duration(c.Ns)) + within(c.Ns, c.NsRange, report.About))
			p.tdNum(one(report.Bandwidth(c.Bytes, c.Ns)))
			p.raw(`</tr>`)
		}
		p.raw(endTable)
		p.more(limits.copies, len(d.Copies), "kind of copy")
	}
	p.raw(endFold)
}

// side is one end of a copy; the slow one stands out.
func side(s string) markup {
	m := escaped(s, 40)
	if s == "pageable" {
		return `<strong>` + m + `</strong>`
	}
	return m
}

// sensors folds away what the device's sensors said beside the strip.
func sensors(p *page, r *result.Result, limits limits) {
	if len(r.Devices) == 0 {
		return
	}
	note := markup("not read")
	for _, d := range r.Devices {
		if d.Sensors != nil {
			note = "clocks, temperature, PCIe, other processes"
		}
	}
	p.fold("The GPU’s sensors", note, false)
	for _, d := range r.Devices[:min(len(r.Devices), limits.devices)] {
		deviceName(p, r, d)
		p.table(column{title: "What", width: "150px"}, column{title: "Value"})
		for _, f := range report.SensorFacts(d) {
			p.raw(`<tr>`, th, escaped(f.Name, 0), `</th>`)
			p.td(escaped(f.Value, 0))
			p.raw(`</tr>`)
		}
		p.raw(endTable)
	}
	p.raw(endFold)
}

// gpuColumns are the columns that the source gains when there is a device.
var gpuColumns = []column{{title: "GPU time", numeric: true, width: "56px"}, {title: "Launches", numeric: true, width: "72px"}, {title: "GPU idle", numeric: true, width: "56px"}}

// gpuMost is the largest of each of the source's columns of the device.
type gpuMost struct{ ns, idle int64 }

// gpuCells are a line's cells in gpuColumns.
func gpuCells(p *page, s result.LineStat, most gpuMost, words movedWords) {
	number := func(ns, most int64, r result.Range) {
		if ns <= 0 {
			p.tdEmpty()
			return
		}
		m := one(report.Duration(ns))
		if ns == most {
			m = `<strong>` + m + `</strong>`
		}
		p.raw(numCell, m, within(ns, r, report.About), `</td>`)
	}
	number(s.GPUNs, most.ns, s.GPURange)
	launchCell(p, s, words)
	number(s.IdleCausedNs, most.idle, s.IdleCausedRange)
}

// movedWords name one and many of what lines copied and set, which are counted together.
type movedWords struct{ one, many string }

// movedBy names them as copies wherever there may be any.
func movedBy(devices []result.Device) movedWords {
	var copies, sets int64
	for i := range devices {
		copies, sets = copies+devices[i].Memcpys, sets+devices[i].Memsets
	}
	if sets > 0 && copies == 0 {
		return movedWords{" set", " sets"}
	}
	return movedWords{" copy", " copies"}
}

// launchCell is what a line launched, copied and set.
func launchCell(p *page, s result.LineStat, words movedWords) {
	if s.Launches > 0 || s.Copies > 0 {
		p.raw(numCell)
		if s.Launches > 0 {
			p.raw(one(shortCount(s.Launches)), within(s.Launches, s.LaunchesRange, shortCount))
		}
		if s.Copies > 0 {
			if s.Launches > 0 {
				p.raw(`<br>`)
			}
			word := words.many
			if s.Copies == 1 {
				word = words.one
			}
			p.raw(`<small>`, one(shortCount(s.Copies)+word), `</small>`, within(s.Copies, s.CopiesRange, shortCount))
		}
		p.raw(`</td>`)
	} else {
		p.tdEmpty()
	}
}
