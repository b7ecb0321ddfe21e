package track

// maxAgain bounds the tracks that one lane spreads over. What overlaps more intervals than
// that is told as an instant, so that neither time nor tracks grow without bound.
const maxAgain = 128

// lane puts intervals, which come by their start, on as many tracks of one name as it takes
// for each of them to be properly nested.
type lane struct {
	w     *walker
	first Track
	rows  []row
}

// row is one of these tracks with the ends of what is open on it, outermost first.
type row struct {
	id   ID
	ends []int64
}

// lane makes the lane of a track, which is told of once something is put there.
func (w *walker) lane(t Track) *lane { return &lane{w: w, first: t} }

// id is the lane's first track.
func (l *lane) id() ID {
	if len(l.rows) == 0 {
		l.grow()
	}
	return l.rows[0].id
}

func (l *lane) grow() {
	t := l.first
	if t.Again = len(l.rows); t.Again > 0 && t.Kind == Thread {
		t.Kind, t.Parent, t.Name = Lane, l.rows[0].id, "overlapping"
	}
	l.rows = append(l.rows, row{id: l.w.track(t)})
}

// add puts an interval where it fits: after, or inside of, what is there.
func (l *lane) add(s *Slice) {
	for i := range l.rows {
		r := &l.rows[i]
		l.close(r, s.Start)
		if n := len(r.ends); n == 0 || s.End <= r.ends[n-1] {
			l.open(r, s)
			return
		}
	}
	if len(l.rows) == maxAgain {
		s.Args = append(s.Args, Arg{Key: "duration (ns)", Number: s.End - s.Start})
		s.End = s.Start
		l.w.sink.Instant(l.rows[0].id, s)
		return
	}
	l.grow()
	l.open(&l.rows[len(l.rows)-1], s)
}

func (l *lane) open(r *row, s *Slice) {
	r.ends = append(r.ends, s.End)
	l.w.sink.Begin(r.id, s)
}

// close ends what has ended by a time.
func (l *lane) close(r *row, by int64) {
	for n := len(r.ends); n > 0 && r.ends[n-1] <= by; n-- {
		l.w.sink.End(r.id, r.ends[n-1])
		r.ends = r.ends[:n-1]
	}
}

// done ends everything.
func (l *lane) done() {
	for i := range l.rows {
		r := &l.rows[i]
		for n := len(r.ends); n > 0; n-- {
			l.w.sink.End(r.id, r.ends[n-1])
		}
		r.ends = nil
	}
}
