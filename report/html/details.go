package html

import (
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report"
)

func functions(p *page, r *result.Result, limits limits) {
	list := r.Host.Functions
	if len(list) == 0 {
		return
	}
	p.fold("Hot functions", `hottest: `+escaped(list[0].Name, 40)+`, `+one(report.Percent(list[0].Share)), false)
	p.table(column{title: "Function"}, column{title: "Self time", numeric: true}, column{title: "Share", numeric: true, width: "54px"},
		column{title: "Where", width: "34%"}, column{title: "From line", numeric: true, width: "60px"}, column{title: "Calls or samples", numeric: true, width: "104px"})
	for _, f := range list[:min(len(list), limits.functions)] {
		p.raw(`<tr>`)
		p.tdCode(f.Name, limits.name)
		p.tdNum(one(report.Duration(f.SelfNs)))
		p.tdNum(one(report.Percent(f.Share)))
		p.raw(td)
		if f.File == timeline.CellFile {
			p.raw(`this `, markup(report.Subject(r)))
		} else {
			p.code(f.File, limits.name)
		}
		if f.Line > 0 {
			p.raw(`, line `, num(f.Line))
		}
		if f.Native != "" {
			p.raw(`, in `)
			p.code(report.Modules(f.Native), limits.name)
		}
		p.raw(`</td>`)
		if f.CellLine > 0 {
			p.tdNum(num(f.CellLine))
		} else {
			p.tdNum("–")
		}
		if f.Exact {
			p.tdNum(one(report.Plural(f.Calls, "call")))
		} else {
			p.tdNum(one(report.Plural(f.Samples, "sample")))
		}
		p.raw(`</tr>`)
	}
	p.raw(endTable)
	p.more(limits.functions, len(list), "function")
	p.raw(endFold)
}

func threads(p *page, r *result.Result, limits limits) {
	list := r.Host.Threads
	if len(list) == 0 {
		return
	}
	p.fold("Threads", one(report.Plural(int64(len(list)), "thread")), false)
	p.table(column{title: "Thread"}, column{title: "Mostly", width: "34%"}, column{title: "Running", numeric: true}, column{title: "Waiting for a CPU", numeric: true},
		column{title: "Blocked", numeric: true}, column{title: "Switches", numeric: true})
	rest, ran := 0, int64(0)
	for i, t := range list {
		// Threads that did nothing are counted, not listed.
		if i >= limits.threads || i > 0 && t.States.RunningNs*1000 < r.WallNs {
			rest++
			ran += t.States.RunningNs
			continue
		}
		p.raw(`<tr>`, th)
		p.code(t.Name, limits.name/2)
		p.raw(` <small>`, num(t.TID))
		if t.Main {
			p.raw(`, runs the `, markup(report.Subject(r)))
		} else if t.Python {
			p.raw(`, Python`)
		}
		p.raw(`</small></th>`, td)
		states(p, t.States, r.WallNs)
		p.raw(`</td>`)
		p.tdNum(one(report.Duration(t.States.RunningNs)))
		p.tdNum(one(report.Duration(t.States.RunnableNs)))
		p.tdNum(one(report.Duration(t.States.Blocked())))
		p.tdNum(one(report.Count(t.Switches)))
		p.raw(`</tr>`)
	}
	p.raw(endTable)
	if rest > 0 {
		p.raw(`<p style="margin:4px 0;`, dimStyle, `">and `, one(report.Plural(int64(rest), "more thread")), `, which ran `, one(report.Duration(ran)), ` in all</p>`)
	}
	p.raw(endFold)
}

// states words the two states that a thread spent most time in; the picture has its bar.
func states(p *page, s result.States, wall int64) {
	var first, second report.State
	for _, st := range report.States(s) {
		if st.Ns > first.Ns {
			first, second = st, first
		} else if st.Ns > second.Ns {
			second = st
		}
	}
	if first.Ns > 0 {
		p.raw(`<small>`, one(first.Words), ` `, one(report.Percent(report.Share(first.Ns, wall))))
		if second.Ns*20 > wall {
			p.raw(`, `, one(second.Words), ` `, one(report.Percent(report.Share(second.Ns, wall))))
		}
		p.raw(`</small>`)
	}
}

func scopes(p *page, r *result.Result, limits limits) {
	list, marks := r.Host.Scopes, r.Host.Marks
	if len(list) == 0 && len(marks) == 0 {
		return
	}
	p.fold("Scopes and marks", one(report.Plural(int64(len(list)), "scope"))+`, `+one(report.Plural(int64(len(marks)), "mark")), false)
	if len(list) > 0 {
		p.table(column{title: "Scope"}, column{title: "Entered", numeric: true}, column{title: "Total", numeric: true}, column{title: "Shortest", numeric: true},
			column{title: "Median", numeric: true}, column{title: "Longest", numeric: true})
		for _, s := range list[:min(len(list), limits.scopes)] {
			p.raw(`<tr>`)
			p.tdCode(s.Name, limits.name)
			p.tdNum(one(report.Count(s.Count)))
			for _, ns := range []int64{s.TotalNs, s.MinNs, s.MedianNs, s.MaxNs} {
				p.tdNum(one(report.Duration(ns)))
			}
			p.raw(`</tr>`)
		}
		p.raw(endTable)
		p.more(limits.scopes, len(list), "scope")
	}
	if len(marks) > 0 {
		p.table(column{title: "At", numeric: true}, column{title: "Mark"}, column{title: "Attributes"}, column{title: "Thread"})
		for _, m := range marks[:min(len(marks), limits.marks)] {
			p.raw(`<tr>`)
			p.tdNum(one(report.Duration(m.AtNs)))
			p.tdCode(m.Name, limits.name)
			p.tdCode(m.Attributes, limits.name)
			p.tdCode(m.Thread, limits.name/2)
			p.raw(`</tr>`)
		}
		p.raw(endTable)
		p.more(limits.marks, len(marks), "mark")
	}
	p.raw(endFold)
}

// memory shows what the kernel and the collector counted.
func memory(p *page, r *result.Result) {
	m, gc := r.Host.Process, r.Host.GC
	if m.RSSPeak == 0 && m.MinorFaults == 0 && gc.Count == 0 && m.UserNs == 0 {
		return
	}
	note := markup("")
	if m.RSSPeak > 0 {
		note = `peak ` + one(report.Bytes(m.RSSPeak)) + `, `
	}
	p.fold("Memory and the kernel's counts", note+one(report.Plural(m.MinorFaults+m.MajorFaults, "page fault")), false)
	p.list()
	fact := func(what, value markup) { p.raw(`<li>`, what, `: `, value, `</li>`) }
	if m.RSSPeak > 0 {
		fact("Resident memory", one(report.Bytes(m.RSSStart))+` at the start, `+one(report.Bytes(m.RSSEnd))+` at the end, `+one(report.Bytes(m.RSSPeak))+` at most`)
	}
	fact("Page faults", one(report.Count(m.MinorFaults))+` minor, `+one(report.Count(m.MajorFaults))+` major (from a disk)`)
	if m.VoluntarySwitches >= 0 && m.InvoluntarySwitches >= 0 {
		fact("Context switches", one(report.Count(m.VoluntarySwitches))+` voluntary, `+one(report.Count(m.InvoluntarySwitches))+` forced`)
	}
	cpus := ``
	if m.CPUs > 0 {
		cpus = `, on ` + report.Plural(int64(m.CPUs), "CPU")
	}
	fact("CPU time", one(report.Duration(m.UserNs))+` user, `+one(report.Duration(m.SystemNs))+` kernel`+one(cpus))
	if m.ReadBytes > 0 || m.WriteBytes > 0 {
		fact("Disk", one(report.Bytes(m.ReadBytes))+` read, `+one(report.Bytes(m.WriteBytes))+` written`)
	}
	if gc.Count > 0 {
		fact("Garbage collection", one(report.Plural(gc.Count, "run"))+` (`+one(report.Count(gc.ByGeneration[0]))+` young, `+one(report.Count(gc.ByGeneration[1]))+
			` middle, `+one(report.Count(gc.ByGeneration[2]))+` full), `+one(report.Duration(gc.TotalNs))+` in all, `+one(report.Duration(gc.MaxNs))+
			` at most, `+one(report.Plural(gc.Collected, "object"))+` freed`)
	}
	numa(m, fact)
	p.raw(endList, endFold)
}

func numa(m timeline.Process, fact func(what, value markup)) {
	if m.NUMANodes == 1 {
		fact("NUMA", "one node: all memory is local")
		return
	}
	for _, n := range m.NUMA[:min(len(m.NUMA), 16)] {
		value := one(report.Bytes(n.Bytes)) + ` resident`
		if n.CPUShare >= 0 {
			value += `, ` + one(report.Percent(n.CPUShare)) + ` of the CPU time`
		}
		fact(`NUMA node `+num(n.Node), value)
	}
}

// notSeen names the sources that were missing or lost records, and what would bring them.
func notSeen(p *page, r *result.Result, limits limits) {
	absent := 0
	for _, c := range r.Collectors {
		if !c.Available {
			absent++
		}
	}
	note := markup("nothing was lost")
	if len(r.Losses) > 0 {
		note = one(report.Plural(int64(len(r.Losses)), "gap"))
	} else if absent > 0 {
		note = one(report.Plural(int64(absent), "source")) + ` not available`
	}
	// It is open when it explains why little is certain.
	p.fold("What was not seen", note, len(r.Losses) > 0 && (r.Verdict.Class == result.Unknown || r.Verdict.Confidence < 0.8))
	if r.Host.Rung != "" {
		p.raw(`<p style="margin:2px 0 6px">The scheduler was seen through `)
		p.text(report.Rung(r.Host.Rung), limits.name)
		p.raw(`.</p>`)
	}
	if len(r.Losses) > 0 {
		p.list()
		for _, l := range r.Losses[:min(len(r.Losses), limits.losses)] {
			p.raw(`<li>`)
			p.code(l.Source, limits.name/2)
			p.raw(`: `)
			p.text(l.Reason, limits.sentence)
			if l.Count > 0 {
				p.raw(` (`, one(report.Plural(l.Count, "record")), ` lost)`)
			}
			enable(p, l.Enable, limits)
			p.raw(`</li>`)
		}
		p.raw(endList)
		p.more(limits.losses, len(r.Losses), "gap")
	}
	collectors(p, r, limits)
	for _, n := range r.Notes[:min(len(r.Notes), limits.notes)] {
		p.raw(`<p style="margin:4px 0">`)
		p.text(n, limits.sentence)
		p.raw(`</p>`)
	}
	p.more(limits.notes, len(r.Notes), "note")
	p.raw(endFold)
}

func enable(p *page, command string, limits limits) {
	if command != "" {
		p.raw(`<br>To see it: `)
		p.code(command, 2*limits.name)
	}
}

func collectors(p *page, r *result.Result, limits limits) {
	if len(r.Collectors) == 0 {
		return
	}
	p.raw(`<p style="margin:4px 0">The sources, and what each gives or why it is missing:</p>`)
	p.list()
	for _, c := range r.Collectors[:min(len(r.Collectors), limits.losses)] {
		p.raw(`<li>`)
		p.code(c.Name, limits.name/2)
		if c.Available {
			p.raw(`, on: `)
		} else {
			p.raw(`, off: `)
		}
		p.text(c.Detail, limits.sentence)
		enable(p, c.Enable, limits)
		p.raw(`</li>`)
	}
	p.raw(endList)
	p.more(limits.losses, len(r.Collectors), "source")
}

func howToRead(p *page, subject markup, gpu bool) {
	p.fold("How to read this", "", false)
	p.list()
	p.raw(`<li>Every nanosecond of the `, subject, ` has one cause: what the thread that ran the `, subject, ` was doing, or waiting for.</li>`,
		`<li>Start at the slowest line. Its colours and the last column say why it is slow.</li>`,
		`<li>A saving is a range, from removing half of a cause to removing all of it. Savings may overlap, so do not add them up.</li>`,
		`<li>In the picture a tall bar runs; a low or hatched one waits.</li>`)
	if gpu {
		p.raw(`<li>Every nanosecond in which the GPU had nothing to do has one cause too. If the GPU was busy, look at its kernels; if it was idle, at the causes.</li>`)
	}
	p.raw(`<li>Confidence falls when something was not seen. Below 0.5 there is no verdict.</li>`, endList, endFold)
}
