package runhistory

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

func in(t *testing.T, runs int, bytes int64) *History {
	t.Helper()
	return New(Options{Dir: filepath.Join(t.TempDir(), "state", "runs"), Runs: runs, Bytes: bytes})
}

// keep writes a run with some lines.
func keep(t *testing.T, h *History, lines int) string {
	t.Helper()
	w, err := h.Begin(tracestore.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	b := timeline.NewBuilder()
	th := b.Thread(1, 1)
	for i := range int64(lines) {
		th.AppendLine(i, int32(i%50), 1, false)
	}
	if err := w.Finish(b.Build(timeline.Interval{Start: 0, End: int64(lines) + 1}), tracestore.Meta{}); err != nil {
		t.Fatal(err)
	}
	if err := h.Prune(); err != nil {
		t.Fatal(err)
	}
	return w.Dir()
}

func paths(t *testing.T, h *History) []string {
	t.Helper()
	runs, err := h.List()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, r := range runs {
		out = append(out, r.Path)
	}
	return out
}

func TestTheLastRunsStay(t *testing.T) {
	h := in(t, 3, 1<<30)
	var made []string
	for range 5 {
		made = append(made, keep(t, h, 10))
	}
	if got := paths(t, h); !slices.Equal(got, made[2:]) {
		t.Errorf("runs %v, want %v", got, made[2:])
	}
	dir, _ := h.Dir()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
	for _, path := range made[2:] {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("a run: %v, %v", info, err)
		}
	}
}

func TestRunsAreBoundedInBytes(t *testing.T) {
	h := in(t, 100, 1<<30)
	first := keep(t, h, 10)
	one := size(first)
	h.options.Bytes = 2*one + one/2
	for range 4 {
		keep(t, h, 10)
	}
	if n := len(paths(t, h)); n != 2 {
		t.Errorf("%d runs of %d bytes in %d", n, one, h.options.Bytes)
	}
	h.options.Bytes = 1
	last := keep(t, h, 10)
	if got := paths(t, h); !slices.Equal(got, []string{last}) {
		t.Errorf("the newest run does not stay alone: %v", got)
	}
}

// A run that is being written or read is not removed, and nothing that is no run ever is.
func TestWhatIsInUseOrForeignStays(t *testing.T) {
	h := in(t, 1, 1<<30)
	open, err := h.Begin(tracestore.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	read := keep(t, h, 10)
	reader, err := os.Open(read)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(reader.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	dir, _ := h.Dir()
	mine := filepath.Join(dir, "mine.inferscope")
	elsewhere := t.TempDir()
	link := filepath.Join(dir, filepath.Base(read[:len(read)-len("00000000.inferscope")])+"00000000.inferscope")
	if err := errors.Join(os.Mkdir(mine, 0o700), os.Symlink(elsewhere, link)); err != nil {
		t.Fatal(err)
	}
	last := keep(t, h, 10)
	if got := paths(t, h); !slices.Equal(got, []string{open.Dir(), read, last}) {
		t.Errorf("runs %v", got)
	}
	_ = reader.Close()
	Discard(open)
	newest := keep(t, h, 10)
	if got := paths(t, h); !slices.Equal(got, []string{newest}) {
		t.Errorf("runs %v", got)
	}
	for _, path := range []string{mine, link, elsewhere} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestLeftoversGo(t *testing.T) {
	h := in(t, 2, 1<<30)
	keep(t, h, 10)
	dir, _ := h.Dir()
	half := filepath.Join(dir, removing+"20200101T000000.000000000Z-1-00000000.inferscope")
	const id = "20200101T000000.000000000Z-1-0000000"
	old, young := filepath.Join(dir, id+"1.inferscope.new"), filepath.Join(dir, id+"2.inferscope.new")
	long := time.Now().Add(-2 * unfinishedAge)
	if err := errors.Join(os.Mkdir(half, 0o700), os.Mkdir(old, 0o700), os.Mkdir(young, 0o700), os.Chtimes(old, long, long)); err != nil {
		t.Fatal(err)
	}
	keep(t, h, 10)
	for _, path := range []string{half, old} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s stays: %v", path, err)
		}
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("a run that is being made was removed: %v", err)
	}
}

func TestConcurrentHistories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	at := time.Unix(1_700_000_000, 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			h := New(Options{Dir: dir, Runs: 5, Bytes: 1 << 30})
			h.now = func() time.Time { return at } // all at once
			for range 5 {
				w, err := h.Begin(tracestore.Meta{})
				if err != nil {
					t.Error(err)
					return
				}
				if err := w.Finish(timeline.NewBuilder().Build(timeline.Interval{}), tracestore.Meta{}); err != nil {
					t.Error(err)
				}
				if err := h.Prune(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	h := New(Options{Dir: dir, Runs: 5, Bytes: 1 << 30})
	if err := h.Prune(); err != nil {
		t.Fatal(err)
	}
	if got := paths(t, h); len(got) != 5 {
		t.Errorf("%d runs", len(got))
	}
}

func TestUnusableDirectories(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := New(Options{Dir: filepath.Join(file, "runs"), Runs: 1, Bytes: 1})
	if _, err := h.Begin(tracestore.Meta{}); err == nil {
		t.Error("a directory below a file")
	}
	if os.Geteuid() == 0 {
		dir := t.TempDir()
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
		h := New(Options{Dir: dir, Runs: 1, Bytes: 1})
		if _, err := h.Begin(tracestore.Meta{}); err == nil || !strings.Contains(err.Error(), "another user") {
			t.Errorf("another user's directory: %v", err)
		}
	}
	if _, err := New(Options{Runs: 1, Bytes: 1}).Begin(tracestore.Meta{}); err == nil {
		t.Error("a run without a directory")
	}
	if New(Options{Dir: file, Bytes: 1}).On() || New(Options{Dir: file, Runs: 1}).On() {
		t.Error("no runs are kept, and yet it is on")
	}
}
