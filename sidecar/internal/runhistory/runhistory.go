// Package runhistory keeps the traces of the last profiled cells, so that a table, an
// export or a comparison can be asked for afterwards. Sidecars of several kernels use
// one directory at the same time.
package runhistory

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// Options say what is kept, and where: the settings history.path, history.runs and
// history.bytes.
type Options struct {
	// Dir is the directory of the runs, absolute; empty when the environment names no home.
	Dir string
	// Runs is how many runs are kept; 0 keeps none and writes nothing.
	Runs int
	// Bytes is how much they may take together; the oldest go first. A single run that
	// grows past it is given up; 0 is as for Runs.
	Bytes int64
}

// History is the directory of the runs. Its methods are safe for concurrent use.
type History struct {
	options Options
	now     func() time.Time
}

// New makes a history. It does nothing on disk before Begin.
func New(options Options) *History { return &History{options: options, now: time.Now} }

// On says whether runs are kept at all.
func (h *History) On() bool { return h.options.Runs > 0 && h.options.Bytes > 0 }

// Limit is how many bytes one run may have.
func (h *History) Limit() int64 { return h.options.Bytes }

// Runs is how many runs are kept.
func (h *History) Runs() int { return h.options.Runs }

// Dir is the directory of the runs; an error says in a sentence why there is none.
func (h *History) Dir() (string, error) {
	if h.options.Dir == "" {
		return "", errors.New("the environment names no home for the traces")
	}
	return h.options.Dir, nil
}

// Begin makes the folder of a new run and locks it. The caller ends the writer with
// Finish, or gives the run up with Discard; then it calls Prune.
func (h *History) Begin(meta tracestore.Meta) (*tracestore.Writer, error) {
	dir, err := h.prepare()
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		name, err := h.id()
		if err != nil {
			return nil, err
		}
		w, err := tracestore.Create(filepath.Join(dir, name), meta, tracestore.DefaultOptions())
		if err == nil || !errors.Is(err, os.ErrExist) || try == 3 {
			return w, err
		}
	}
}

// Discard gives up a run and removes what there is of it.
func Discard(w *tracestore.Writer) {
	w.Abandon()
	_ = remove(w.Dir())
}

// idForm is the form of a run's name: when it was made, to the nanosecond, by which
// process, and chance. Names sort by time.
var idForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{9}Z-[0-9]+-[0-9a-f]{8}\` + tracestore.Suffix + `$`)

func (h *History) id() (string, error) {
	var chance [4]byte
	if _, err := rand.Read(chance[:]); err != nil {
		return "", err
	}
	stamp := h.now().UTC().Format("20060102T150405.000000000Z")
	return fmt.Sprintf("%s-%d-%s%s", stamp, os.Getpid(), hex.EncodeToString(chance[:]), tracestore.Suffix), nil
}

// prepare makes the directory, for its user alone, as every run's is too.
func (h *History) prepare() (string, error) {
	dir, err := h.Dir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if int(st.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s belongs to another user", dir)
	}
	return dir, nil
}
