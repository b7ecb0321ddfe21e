package procfs

import (
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// worker is a system thread of this process with a name of its own.
type worker struct {
	tid   int32
	tasks chan func()
	done  chan struct{}
}

func startWorker(t *testing.T, name string) *worker {
	t.Helper()
	w := &worker{tasks: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		for task := range w.tasks {
			task()
			w.done <- struct{}{}
		}
	}()
	w.do(func() { w.tid = int32(unix.Gettid()) })
	if w.tid == int32(os.Getpid()) { // the first thread would stay: keep it, and take another
		t.Cleanup(func() { close(w.tasks) })
		return startWorker(t, name)
	}
	w.do(func() {
		if err := os.WriteFile("/proc/thread-self/comm", []byte(name), 0); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *worker) do(task func()) {
	w.tasks <- task
	<-w.done
}

// sleep makes voluntary context switches.
func (w *worker) sleep(times int) {
	w.do(func() {
		for range times {
			_ = unix.Nanosleep(&unix.Timespec{Nsec: 1000}, nil)
		}
	})
}

// end returns when the thread is gone.
func (w *worker) end(t *testing.T) {
	t.Helper()
	close(w.tasks)
	for {
		tids, err := Threads(os.Getpid(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(tids, w.tid) {
			return
		}
		runtime.Gosched()
	}
}

// only leaves one thread in a count: the runtime's own switch as they like.
func only(c *switchCount, tid int32) *switchCount {
	for other := range c.threads {
		if other != tid {
			delete(c.threads, other)
		}
	}
	return c
}

// InferScope's own threads switch and end like any other, and are no part of the program.
func TestOwnThreadsAreNotCounted(t *testing.T) {
	const switches = 100
	for name, own := range map[string]bool{"inferscope-reco": true, "spinner": false} {
		t.Run(name, func(t *testing.T) {
			count := newSwitchCount(os.Getpid(), &nodes{})
			count.scan()
			w := startWorker(t, name)
			w.sleep(switches)
			count.scan()
			voluntary, _ := only(&count, w.tid).totals()
			if counted := voluntary >= switches; counted == own {
				t.Errorf("%d voluntary switches counted, the thread made %d", voluntary, switches)
			}
			before := count.ended
			w.end(t)
			count.scan()
			if ended := count.ended > before; ended == own {
				t.Errorf("%d threads ended", count.ended-before)
			}
		})
	}
}

// The program's first thread is the program's, whatever its name.
func TestFirstThreadIsNeverOurs(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/comm", []byte("inferscope"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile("/proc/self/comm", comm, 0) })
	count := newSwitchCount(os.Getpid(), &nodes{})
	count.scan()
	if first := count.threads[int32(os.Getpid())]; first == nil || first.own {
		t.Errorf("the first thread: %+v", first)
	}
}

// Threads that ended are told of where what they did unseen can matter.
func TestEndedThreadsThatMatter(t *testing.T) {
	thread := func(switches int64, ended bool) *threadCount { return &threadCount{voluntary: switches, ended: ended} }
	for _, c := range []struct {
		name    string
		threads map[int32]*threadCount
		want    int64
	}{
		{"none ended", map[int32]*threadCount{1: thread(500, false)}, 0},
		{"idle helpers", map[int32]*threadCount{1: thread(500, false), 2: thread(4, true), 3: thread(0, true)}, 0},
		{"nobody switched", map[int32]*threadCount{1: thread(0, false), 2: thread(0, true)}, 0},
		{"a worker", map[int32]*threadCount{1: thread(500, false), 2: thread(80, true)}, 1},
		{"ours", map[int32]*threadCount{1: thread(5, false), 2: {voluntary: 80, ended: true, own: true}}, 0},
	} {
		count := switchCount{threads: c.threads}
		for _, one := range c.threads {
			if one.ended && !one.own {
				count.ended++
			}
		}
		if got := count.incomplete(); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
}
