package tracestore

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// crashVariable makes the test program the writer that is killed: it names the folder.
const crashVariable = "INFERSCOPE_TEST_TRACE"

const crashPartRows = 2 * batchRows

// crashBatch is what the writer hands over at a time: one line each microsecond.
func crashBatch(n int) timeline.Batch {
	b := timeline.Batch{Thread: 1, Rows: timeline.Thread{PID: 7, TID: 8}}
	l := &b.Rows.Lines
	for i := range batchRows {
		l.Time = append(l.Time, int64(n*batchRows+i)*1000)
		l.Line, l.Top, l.Sampled = append(l.Line, 2), append(l.Top, 2), append(l.Sampled, false)
	}
	return b
}

// writeUntilKilled hands batches over for ever and says after each that it is done.
func writeUntilKilled(dir string) error {
	w, err := Create(dir, exampleMeta(), Options{PartRows: crashPartRows})
	if err != nil {
		return err
	}
	b := timeline.NewBuilder()
	b.Thread(7, 8).SetName("worker")
	for n := 0; ; n++ {
		if err := w.Spill(crashBatch(n), b.View()); err != nil {
			return err
		}
		if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
			return err
		}
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashVariable); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// What a killed writer had finished opens, and no more than the open part is lost.
func TestKilledWriterLosesTheOpenPart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "killed"+Suffix)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), crashVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const batches = 9 // four parts of two, and one batch in the open part
	if _, err := io.ReadFull(out, make([]byte, batches)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "still being written") {
		t.Errorf("a trace under construction opens: %v", err)
	}
	if err := cmd.Process.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(out)
	_ = cmd.Wait()
	written := (batches + len(rest)) * batchRows

	tl, meta := open(t, dir)
	if meta.Complete || meta.Cell.Name != "In [4]" {
		t.Errorf("complete %v, cell %q", meta.Complete, meta.Cell.Name)
	}
	lines := tl.Threads[1].Lines
	// The writer may have been one batch further than it had said.
	if got := lines.Len(); got < written-crashPartRows || got > written+batchRows || got%crashPartRows != 0 {
		t.Errorf("%d of %d rows are there, parts have %d", got, written, crashPartRows)
	}
	for i, at := range lines.Time {
		if at != int64(i)*1000 {
			t.Fatalf("row %d is at %d", i, at)
		}
	}
	if th := tl.Threads[1]; th.TID != 8 || th.Name != "worker" {
		t.Errorf("the thread is %d %q", th.TID, th.Name)
	}
	if !lost(tl, "was not finished") {
		t.Errorf("no loss says that the trace was not finished: %v", tl.Losses)
	}
}

func lost(tl *timeline.Timeline, word string) bool {
	for _, l := range tl.Losses {
		if l.Source == source && strings.Contains(l.Reason, word) {
			return true
		}
	}
	return false
}

// A disk that is full ends the writer with an error that says so, not the process.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		if !errors.Is(err, unix.EPERM) {
			t.Fatal(err)
		}
		t.Skip("the kernel refuses to mount a file system here:", err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	w, err := Create(filepath.Join(dir, "full"+Suffix), exampleMeta(), Options{PartRows: crashPartRows})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abandon()
	b := timeline.NewBuilder()
	b.Thread(7, 8)
	for n := 0; err == nil && n < 10_000; n++ {
		err = w.Spill(crashBatch(n), b.View())
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("the error is %v", err)
	}
}
