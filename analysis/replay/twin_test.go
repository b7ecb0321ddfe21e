package replay_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/inferscope/inferscope/analysis/replay"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// plant is what a twin of a program does without.
type plant uint8

const (
	nothing plant = iota
	sleeps
	kernels
	copies
	waits
)

// program runs a random program of launches, copies, waits and host work on two streams as CUDA
// would, without one part of it. It returns the removals that stand for its sleeps, and its wall in us.
func program(seed uint64, without plant) (*maker, []replay.Removal, int64) {
	r := rand.New(rand.NewPCG(seed, 11))
	m := newMaker()
	m.b.SetRung(timeline.RungEBPF)
	m.main.SetKnown(timeline.Interval{Start: 0, End: 1e12})
	var asleep []replay.Removal
	at := int64(0)
	var busy [2]int64
	launch := func(s int, host, length int64, name string) {
		back := at + host
		begin := max(back+6, busy[s])
		busy[s] = begin + length
		m.launch(at, back, begin, busy[s], uint32(s), name)
		at = back
	}
	for range 50 + r.IntN(200) {
		host, length, s, kind := 1+r.Int64N(40), 1+r.Int64N(150), r.IntN(2), r.IntN(10)
		at += host
		switch kind {
		case 0: // sleeps
			if without != sleeps {
				asleep = append(asleep, replay.Removal{Thread: m.main.ID(), Start: at * us, End: (at + 2*length) * us, Share: 1})
				at += 2 * length
			}
		case 1: // waits for the device
			back := max(at+5, busy[0]+2, busy[1]+2)
			if without == waits {
				back = at + 5
			}
			m.call(m.main, at, back, timeline.CallSync, "cudaDeviceSynchronize")
			at = back
		case 2: // waits for a stream, which no record tells
			back := max(at+5, busy[s]+2)
			if without == waits {
				back = at + 5
			}
			m.call(m.main, at, back, timeline.CallSync, "cudaStreamSynchronize")
			at = back
		case 3: // a copy that its call waits for
			if without == copies {
				length = 0
			}
			begin := max(at+6, busy[s])
			busy[s] = begin + length
			back := busy[s] + 2
			if without == waits {
				back = at + 5
			}
			m.work(at, back, begin, busy[s], uint32(s), "", timeline.CallCopy, timeline.OpMemcpy)
			at = back
		case 4, 5: // a kernel that a twin does without
			if without == kernels {
				length = 0
			}
			launch(s, 4, length, "planted")
		default:
			launch(s, 4, length, "k")
		}
	}
	// The cell ends when all is done.
	end := max(at+5, busy[0]+2, busy[1]+2)
	m.call(m.main, at, end, timeline.CallSync, "cudaDeviceSynchronize")
	return m, asleep, end
}

// What is predicted without a part of a program is what the program takes without it.
func TestTwins(t *testing.T) {
	const seeds = 200
	worst, mean := map[plant]float64{}, map[plant]float64{}
	for seed := range uint64(seeds) {
		m, asleep, end := program(seed, nothing)
		g, tl := m.graph(t, end)
		planted := timeline.NameID(0)
		for row, n := range tl.Devices[0].Ops.Name {
			if tl.Names.String(n) == "planted" {
				planted = tl.Devices[0].Ops.Name[row]
			}
		}
		last := int32(tl.Calls.Len() - 1)
		for without, c := range map[plant]replay.Change{
			sleeps:  removing(asleep...),
			kernels: {Named: func(n timeline.NameID) bool { return n == planted }},
			copies:  {Copies: true},
			waits:   {Unawaited: func(call int32) bool { return call != last }},
		} {
			_, _, twin := program(seed, without)
			p := g.Predict(&c)
			off := math.Abs(float64(p.LowNs-twin*us)) / float64(twin*us)
			worst[without], mean[without] = max(worst[without], off), mean[without]+off/seeds
			if off > 0.05 { // which stream a call waited for is a guess
				t.Errorf("seed %d, without %d: %+v is predicted, its twin takes %d of %d", seed, without, p, twin*us, end*us)
			}
		}
	}
	for without, off := range mean {
		if off > 0.01 {
			t.Errorf("without %d: predictions are off by %.2f%% on average", without, 100*off)
		}
	}
	t.Logf("predictions are off by %.2v on average, %.2v at worst", mean, worst)
}
