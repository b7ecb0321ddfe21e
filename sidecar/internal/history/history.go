// Package history keeps the traces of the last profiled cells, so that a table, an
// export or a comparison can be asked for afterwards. Sidecars of several kernels use
// one directory at the same time.
package history

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/tracestore"
)

// Options say what is kept, and where. DefaultOptions has the defaults.
type Options struct {
	// Dir is the directory of the runs; empty for the user's state directory
	// ($XDG_STATE_HOME/inferscope/runs, or ~/.local/state/inferscope/runs).
	Dir string
	// Runs is how many runs are kept; 0 keeps none and writes nothing.
	Runs int
	// Bytes is how much they may take together; the oldest go first. A single run
	// that grows past it is given up.
	Bytes int64
}

// The environment variables that FromEnvironment reads.
const (
	RunsVariable  = "INFERSCOPE_HISTORY_RUNS"
	BytesVariable = "INFERSCOPE_HISTORY_BYTES"
)

// DefaultOptions keep the last ten runs, in 2 GiB at most.
func DefaultOptions() Options { return Options{Runs: 10, Bytes: 2 << 30} }

// FromEnvironment is DefaultOptions changed by the environment. A value that is no
// number, or is negative, is an error, and the default stays.
func FromEnvironment(lookup func(string) (string, bool)) (Options, error) {
	o := DefaultOptions()
	var first error
	number := func(name string) (int64, bool) {
		text, ok := lookup(name)
		if text = strings.TrimSpace(text); !ok || text == "" {
			return 0, false
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			if first == nil {
				first = fmt.Errorf("%s must be a number, 0 or more; it is %.40q", name, text)
			}
			return 0, false
		}
		return n, true
	}
	if n, ok := number(RunsVariable); ok {
		o.Runs = int(min(n, 1<<20))
	}
	if n, ok := number(BytesVariable); ok {
		o.Bytes = n
	}
	return o, first
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
	if h.options.Dir != "" {
		return h.options.Dir, nil
	}
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // as the specification says: a relative one is ignored
		home, err := os.UserHomeDir()
		if err != nil || !filepath.IsAbs(home) {
			return "", errors.New("neither HOME nor XDG_STATE_HOME names a directory")
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "inferscope", "runs"), nil
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

// prepare makes the directory, for its user alone.
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
	if st.Mode&0o077 != 0 { // traces hold source code and names
		if err := os.Chmod(dir, 0o700); err != nil {
			return "", err
		}
	}
	return dir, nil
}
