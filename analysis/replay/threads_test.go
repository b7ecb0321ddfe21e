package replay_test

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// known is the maker's main thread and one more, of which every switch is known from at on.
func (m *maker) known(at int64) *timeline.ThreadBuilder {
	m.b.SetRung(timeline.RungEBPF)
	m.main.SetKnown(timeline.Interval{Start: 0, End: 2000 * us})
	worker := m.b.Thread(1, 2)
	worker.SetKnown(timeline.Interval{Start: at * us, End: 2000 * us})
	return worker
}

func without(id timeline.ThreadID, from, to int64) replay.Change {
	return removing(replay.Removal{Thread: id, Start: from * us, End: to * us, Share: 1})
}

// The holder of a lock sleeps with it at its own pace. Without the waits for the lock the last wait, for the
// holder's end, is as long as it was.
func TestALockThatIsNotWaitedForDoesNotHoldUpTheJoin(t *testing.T) {
	m := newMaker()
	holder := m.known(0)
	for _, at := range []int64{0, 500, 1000} {
		m.main.AppendOffCPU((at+20)*us, (at+480)*us, (at+480)*us, timeline.ReasonLock, -1, holder.ID(), 0)
		m.launch(at+482, at+485, at+490, at+491, 1, "k")
	}
	m.main.AppendOffCPU(1500*us, 1600*us, 1600*us, timeline.ReasonLock, -1, holder.ID(), 0)
	g, _ := m.graph(t, 1600)
	c := removing()
	for _, at := range []int64{0, 500, 1000} {
		c.Removals.Add(replay.Removal{Thread: m.main.ID(), Start: (at + 20) * us, End: (at + 480) * us, Share: 1})
	}
	low(t, g, "no lock", c, 1600-3*460)
	low(t, g, "work of the main thread", without(m.main.ID(), 0, 20), 1600)
	low(t, g, "no join", without(m.main.ID(), 1500, 1600), 1500)
}

// What a thread does that was made in the cell begins earlier when what came before it takes less time.
func TestAThreadDependsOnWhoMadeIt(t *testing.T) {
	m := newMaker()
	worker := m.known(500)
	m.main.AppendOffCPU(600*us, 900*us, 900*us, timeline.ReasonLock, -1, worker.ID(), 0)
	m.launch(910, 915, 920, 921, 1, "k")
	g, _ := m.graph(t, 1000)
	low(t, g, "before it was made", without(m.main.ID(), 0, 400), 600)
	low(t, g, "beside it", without(m.main.ID(), 510, 590), 1000)
	low(t, g, "its work", without(worker.ID(), 550, 850), 700)
}

// A thread that waits for whatever comes, with a time limit, is ready when it is given work earlier.
func TestAnIdleThreadIsReady(t *testing.T) {
	m := newMaker()
	worker := m.known(0)
	worker.AppendOffCPU(0, 300*us, 300*us, timeline.ReasonPoll, -1, 0, 0)
	worker.AppendOffCPU(310*us, 500*us, 500*us, timeline.ReasonPoll, -1, m.main.ID(), 0)
	m.main.AppendOffCPU(505*us, 800*us, 800*us, timeline.ReasonLock, -1, worker.ID(), 0)
	m.launch(910, 915, 920, 921, 1, "k")
	g, _ := m.graph(t, 1000)
	low(t, g, "before it had work", without(m.main.ID(), 0, 450), 550)
	low(t, g, "all but its own 10 us", without(m.main.ID(), 0, 495), 510)
}

// One that sleeps is not.
func TestASleepingThreadIsNotReady(t *testing.T) {
	m := newMaker()
	worker := m.known(0)
	worker.AppendOffCPU(0, 300*us, 300*us, timeline.ReasonSleep, -1, 0, 0)
	worker.AppendOffCPU(310*us, 500*us, 500*us, timeline.ReasonPoll, -1, m.main.ID(), 0)
	m.main.AppendOffCPU(505*us, 800*us, 800*us, timeline.ReasonLock, -1, worker.ID(), 0)
	m.launch(910, 915, 920, 921, 1, "k")
	g, _ := m.graph(t, 1000)
	low(t, g, "before it had work", without(m.main.ID(), 0, 450), 1000-190)
}

// A thread that hands on what it is given, piece by piece, waits for each, however briefly: of every 20 us 5 are its own.
func TestAThreadThatHandsOnIsNoSlowerThanItsWork(t *testing.T) {
	m := newMaker()
	worker := m.known(0)
	for at := int64(0); at < 200; at += 20 {
		worker.AppendOffCPU(at*us, (at+15)*us, (at+15)*us, timeline.ReasonGPUDriver, -1, m.main.ID(), 0)
	}
	m.main.AppendOffCPU(200*us, 260*us, 260*us, timeline.ReasonLock, -1, worker.ID(), 0)
	m.launch(910, 915, 920, 921, 1, "k")
	g, _ := m.graph(t, 1000)
	low(t, g, "what it was given", without(m.main.ID(), 0, 180), 1000-260+9*5+65)
}

// A compiler's threads have less to do as well where the wait for them goes, and threads that run Python do not.
func TestHelpersGoWithTheWaitForThem(t *testing.T) {
	for _, python := range []bool{false, true} {
		m := newMaker()
		worker := m.known(0)
		if python {
			worker.SetPython()
		}
		m.main.AppendOffCPU(100*us, 600*us, 600*us, timeline.ReasonLock, -1, worker.ID(), 0)
		main := m.main
		m.main = worker
		m.launch(500, 505, 510, 520, 1, "k")
		m.main = main
		m.launch(700, 705, 710, 720, 1, "k")
		g, _ := m.graph(t, 800)
		c := removing(replay.Removal{Thread: main.ID(), Helpers: true, Start: 100 * us, End: 600 * us, Share: 1},
			replay.Removal{Thread: worker.ID(), Start: 50 * us, End: 90 * us, Share: 1})
		want := int64(100 + 200)
		if python { // its kernel still ends at 480, and the other follows it on its stream
			want = 480 + 10
		}
		low(t, g, "the compiler", c, want)
	}
}
