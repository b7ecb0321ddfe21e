package server

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/wire"
)

// Boot is what the client tells the sidecar when it starts it: one line of JSON on
// standard input. The token travels there because a command line is public.
type Boot struct {
	// Token is in hexadecimal.
	Token string `json:"token"`
	// PID is the client's process id: the sidecar lives no longer than it.
	PID int `json:"pid"`
	// Dir is the sidecar's own directory, made by the client with mode 0700. The
	// sidecar removes it with everything in it when it exits.
	Dir string `json:"dir"`
	// WorkDir is the client's working directory; the sidecar's own is the root.
	WorkDir string `json:"work_dir"`
	// LastWordFD is a descriptor that the sidecar inherited, where it says that the client
	// died while it was profiled; 0 for none.
	LastWordFD int `json:"last_word_fd"`
}

// Readiness is what the sidecar tells the client: one line of JSON on standard
// output, which it then closes.
type Readiness struct {
	Endpoint string `json:"endpoint"`
	PID      int    `json:"pid"`
	Version  string `json:"version"`
	// Collectors is empty when the handler was still looking for them; Status has them.
	Collectors []readyCollector `json:"collectors"`
	// Error is a sentence when the sidecar could not start; the rest is empty then.
	Error string `json:"error,omitempty"`
}

type readyCollector struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Detail    string `json:"detail"`
	Enable    string `json:"enable"`
}

// Warmer is a Handler that can do in advance what would make its first cell slow.
// Warm is called once, when the sidecar is ready, beside the other calls.
type Warmer interface{ Warm() }

// Flusher is a Handler with work that should outlive a request but not the sidecar.
// Flush is called when serving is over and before Close; it returns when nothing is left
// to do, or when ctx ends.
type Flusher interface{ Flush(ctx context.Context) }

// flushPatience bounds Flush: the client waits a second for an orderly end.
const flushPatience = 700 * time.Millisecond

// Profiler is a Handler that knows whether its client is being profiled at the moment.
type Profiler interface{ Profiling() bool }

// closePatience bounds the handler's Close: what it would release the kernel
// releases with the process, and a loading that is under way cannot be stopped.
const closePatience = 200 * time.Millisecond

func closeSoon(c io.Closer) {
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			fmt.Fprintf(os.Stderr, "close: %v\n", err)
		}
	case <-time.After(closePatience):
	}
}

// exitGrace is how long an orderly end may take before the process removes its
// directory and exits without waiting any longer.
const exitGrace = 1500 * time.Millisecond

// RunProcess is the life of the sidecar's process: it reads Boot from standard
// input, serves, reports readiness on standard output, and cleans up. It returns
// when the client asked for the end or died, on SIGTERM or SIGINT, or when nothing
// happened for the idle time of a handler that is an Idler. A handler that is an
// io.Closer is closed at the end, for which it has closePatience.
func RunProcess(version string, newHandler func(Boot) (Handler, error)) error {
	err := runProcess(version, newHandler)
	if err != nil {
		// Nobody listens any more if the sidecar had been ready.
		_ = json.NewEncoder(os.Stdout).Encode(Readiness{PID: os.Getpid(), Version: version, Error: err.Error()})
	}
	return err
}

func runProcess(version string, newHandler func(Boot) (Handler, error)) error {
	boot, token, err := readBoot(os.Stdin)
	if err != nil {
		return err
	}
	if err := checkPrivate(boot.Dir); err != nil {
		return err
	}
	// The shared lock says that the directory is in use; the client has one too. A
	// directory that nobody has locked was left by two killed processes.
	lock, err := lockDir(boot.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	crashed := true
	defer func() {
		if !crashed { // the client reads the log of a crash, and removes the directory
			_ = os.RemoveAll(boot.Dir)
		}
	}()
	err = serveBoot(boot, token, version, newHandler)
	crashed = false
	return err
}

func serveBoot(boot Boot, token []byte, version string, newHandler func(Boot) (Handler, error)) error {

	signal.Ignore(unix.SIGHUP, unix.SIGPIPE)
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if err := watchProcess(ctx, boot.PID, end); err != nil {
		return fmt.Errorf("watch process %d: %w", boot.PID, err)
	}
	context.AfterFunc(ctx, func() {
		time.Sleep(exitGrace)
		fmt.Fprintln(os.Stderr, "the sidecar did not end in time and is ended")
		_ = os.RemoveAll(boot.Dir)
		os.Exit(1)
	})

	handler, err := newHandler(boot)
	if err != nil {
		return err
	}
	if closer, ok := handler.(io.Closer); ok {
		defer closeSoon(closer)
	}
	var idleExit func() time.Duration
	if idler, ok := handler.(Idler); ok {
		idleExit = idler.IdleExit
	}
	var abandoned atomic.Bool
	err = Serve(ctx, Config{
		Abandoned: func() { abandoned.Store(true) },
		Dir:       boot.Dir,
		Token:     token,
		ClientUID: uint32(os.Getuid()),
		ClientPID: boot.PID,
		Version:   version,
		IdleExit:  idleExit,
		Log:       os.Stderr,
		Ready: func(endpoint string, collectors []wire.CollectorStatus) {
			r := Readiness{Endpoint: endpoint, PID: os.Getpid(), Version: version, Collectors: []readyCollector{}}
			for _, c := range collectors {
				r.Collectors = append(r.Collectors, readyCollector(c))
			}
			reportReady(r)
			if warmer, ok := handler.(Warmer); ok {
				go warmer.Warm()
			}
		},
	}, handler)
	if boot.LastWordFD > 2 && errors.Is(context.Cause(ctx), errClientDead) {
		// In this order: whoever ends the cell says so before.
		profiler, ok := handler.(Profiler)
		if ok && profiler.Profiling() || abandoned.Load() {
			sayLastWord(boot.LastWordFD)
		}
	}
	end(nil) // what is left to do has only exitGrace
	if f, ok := handler.(Flusher); ok {
		ctx, cancel := context.WithTimeout(context.Background(), flushPatience)
		defer cancel()
		f.Flush(ctx)
	}
	return err
}

// sayLastWord tells the user of a client that died why there is no report of it.
func sayLastWord(fd int) {
	const sentence = "inferscope: the script ended without the end of its interpreter (os._exit, exec, a crash or a " +
		"signal): there is no report\n"
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err == nil { // a terminal that was stopped must not keep the sidecar
		_, _ = unix.Write(fd, []byte(sentence))
	}
}

func readBoot(r io.Reader) (Boot, []byte, error) {
	var boot Boot
	line, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadBytes('\n')
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return boot, nil, fmt.Errorf("read the start-up line from standard input: %w", err)
	}
	if err := json.Unmarshal(line, &boot); err != nil {
		return boot, nil, fmt.Errorf("the start-up line: %w", err)
	}
	token, err := hex.DecodeString(boot.Token)
	if err != nil {
		return boot, nil, errors.New("the start-up line: the token is not hexadecimal")
	}
	if boot.PID <= 0 || boot.Dir == "" {
		return boot, nil, errors.New("the start-up line: pid or dir is missing or wrong")
	}
	return boot, token, nil
}

// reportReady writes the line and points standard output to nowhere, so that the
// reader sees the end of it and a stray print hurts nobody.
func reportReady(r Readiness) {
	_ = json.NewEncoder(os.Stdout).Encode(r)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer null.Close()
	_ = unix.Dup3(int(null.Fd()), 1, 0)
}

func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// errClientDead is the cause of an end that the client did not ask for.
var errClientDead = errors.New("the client process is gone")

// watchProcess calls end when the process is gone. It returns an error when the
// process is gone already.
func watchProcess(ctx context.Context, pid int, end context.CancelCauseFunc) error {
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case err == nil:
		go func() {
			defer unix.Close(fd)
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			for ctx.Err() == nil {
				if n, err := unix.Poll(fds, -1); n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
					end(errClientDead)
				}
			}
		}()
		return nil
	case errors.Is(err, unix.ESRCH):
		return errClientDead
	}
	// No pidfd here (an old kernel, a sandbox): look.
	go func() {
		for ctx.Err() == nil {
			time.Sleep(200 * time.Millisecond)
			if errors.Is(unix.Kill(pid, 0), unix.ESRCH) || os.Getppid() == 1 {
				end(errClientDead)
			}
		}
	}()
	return nil
}
