package timeline

import "fmt"

// Check says which invariant of the data model a timeline breaks; nil when it
// keeps them all. Everything that Build returns keeps them; it is meant for tests
// and for timelines made by other means.
func (t *Timeline) Check() error {
	if t.Window.End < t.Window.Start {
		return fmt.Errorf("window %v is inverted", t.Window)
	}
	if len(t.Threads) == 0 {
		return fmt.Errorf("the placeholder thread is missing")
	}
	for i := range t.Threads {
		if err := t.checkThread(&t.Threads[i]); err != nil {
			return fmt.Errorf("thread %d: %w", i, err)
		}
	}
	if err := t.checkDevices(); err != nil {
		return err
	}
	if err := t.checkWindows(); err != nil {
		return err
	}
	for _, c := range t.Counters {
		if len(c.Time) != len(c.Value) {
			return fmt.Errorf("counter %q: columns differ in length", c.Name)
		}
		if err := t.checkTimes(c.Time, t.Window.End-1); err != nil {
			return fmt.Errorf("counter %q: %w", c.Name, err)
		}
	}
	return nil
}

// checkTimes wants a column sorted and inside [Window.Start, last].
func (t *Timeline) checkTimes(times []int64, last int64) error {
	prev := t.Window.Start
	for i, at := range times {
		if at < prev || at > last {
			return fmt.Errorf("row %d: time %d is out of order or outside of the window", i, at)
		}
		prev = at
	}
	return nil
}

func (t *Timeline) checkThread(th *Thread) error {
	if err := t.checkSched(&th.Sched); err != nil {
		return fmt.Errorf("sched: %w", err)
	}
	end := t.Window.End
	l, s, sc, rg, m, g := &th.Lines, &th.Samples, &th.Scopes, &th.Ranges, &th.Marks, &th.GC
	for _, table := range []struct {
		name    string
		times   []int64
		ends    []int64
		last    int64
		lengths []int
	}{
		{"lines", l.Time, nil, end - 1, []int{len(l.Line), len(l.Top), len(l.Sampled)}},
		{"samples", s.Time, nil, end - 1, []int{len(s.Kind), len(s.Syscall), len(s.Stack), len(s.Module)}},
		{"scopes", sc.Start, sc.End, end - 1, []int{len(sc.End), len(sc.Name), len(sc.Depth)}},
		{"ranges", rg.Start, rg.End, end - 1, []int{len(rg.End), len(rg.Name), len(rg.Kind)}},
		{"marks", m.Time, nil, end - 1, []int{len(m.Name), len(m.Attributes)}},
		{"gc", g.Start, g.End, end - 1, []int{len(g.End), len(g.Generation), len(g.Collected)}},
	} {
		for _, n := range table.lengths {
			if n != len(table.times) {
				return fmt.Errorf("%s: columns differ in length", table.name)
			}
		}
		if err := t.checkTimes(table.times, table.last); err != nil {
			return fmt.Errorf("%s: %w", table.name, err)
		}
		for i, e := range table.ends {
			if e < table.times[i] || e > end {
				return fmt.Errorf("%s: row %d ends at %d", table.name, i, e)
			}
		}
	}
	for i := range l.Line {
		if l.Line[i] < 0 || l.Top[i] < 0 {
			return fmt.Errorf("lines: row %d has a negative line", i)
		}
	}
	for i := range s.Kind {
		if s.Kind[i] >= NumSampleKinds || int(s.Stack[i]) >= t.Stacks.Len() || int(s.Module[i]) >= t.Names.Len() {
			return fmt.Errorf("samples: row %d refers to nothing", i)
		}
	}
	return nil
}

func (t *Timeline) checkSched(s *Sched) error {
	for _, n := range []int{len(s.Wake), len(s.On), len(s.Reason), len(s.Syscall), len(s.Waker), len(s.Stack)} {
		if n != s.Len() {
			return fmt.Errorf("columns differ in length")
		}
	}
	if s.Known.End < s.Known.Start || s.Known.End > s.Known.Start && (s.Known.Start < t.Window.Start || s.Known.End > t.Window.End) {
		return fmt.Errorf("known %v is not inside of the window", s.Known)
	}
	prev := s.Known.Start
	for i := range s.Off {
		if s.Off[i] < prev || s.Wake[i] < s.Off[i] || s.On[i] < s.Wake[i] || s.On[i] <= s.Off[i] || s.On[i] > s.Known.End {
			return fmt.Errorf("row %d: [%d, %d, %d) overlaps or is inverted", i, s.Off[i], s.Wake[i], s.On[i])
		}
		if s.Reason[i] >= NumReasons || int(s.Waker[i]) >= len(t.Threads) || int(s.Stack[i]) >= t.Stacks.Len() {
			return fmt.Errorf("row %d refers to nothing", i)
		}
		prev = s.On[i]
	}
	return nil
}
