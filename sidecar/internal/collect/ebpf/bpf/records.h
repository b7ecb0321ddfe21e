/* What the programs send, and what they are told. bpf2go mirrors these types in
 * Go; every size is a multiple of 8 and asserted. */
#ifndef INFERSCOPE_RECORDS_H
#define INFERSCOPE_RECORDS_H

#include "bpf.h"

#define MAX_FRAMES 32
#define MAX_SYSCALLS 512
#define COMM_LEN 16

/* The first byte of each record. */
enum record_kind {
	RECORD_OFFCPU = 1,
	RECORD_THREAD = 2,
	RECORD_SAMPLE = 3,
};

/* The scheduler state of a thread when it left the CPU. */
enum task_state {
	STATE_RUNNABLE = 0,
	STATE_SLEEPING = 1,	   /* interruptible */
	STATE_UNINTERRUPTIBLE = 2, /* "D" */
	STATE_OTHER = 3,	   /* stopped, traced */
};

enum offcpu_flag {
	FLAG_TOP_ONLY = 1,	/* only the deepest frame was read */
	FLAG_SAME_STACK = 2,	/* no frame was read: too soon after the last read */
	FLAG_OPEN = 4,		/* the episode had not ended when collection did */
	FLAG_WAKER_OUTSIDE = 8, /* the waker is not part of the profiled process or its children */
	FLAG_SEEDED = 16,	/* the thread was off the CPU before collection began */
	FLAG_END_UNSEEN = 32,	/* the switch back was not seen: on is worked out; wake may be missing, or the next wait's */
};

/* What a system call's first argument is, by number; filled in by the loader. */
enum syscall_class {
	CLASS_PLAIN = 0,
	CLASS_FD = 1,	/* the first argument is a file descriptor */
	CLASS_POLL = 2, /* the first argument is an array of pollfd, the second its length */
};

/* How a program knows that it runs in an interrupt. */
enum interrupt_source {
	INTERRUPT_GUESSED = 0, /* from what the current task does */
	INTERRUPT_COUNTED = 1, /* from the kernel's own count */
	INTERRUPT_TRACED = 2,  /* from tracepoints at entry and exit */
};

/* One Python frame: the code object, and where in it the frame is. */
struct py_frame {
	u64 code;
	u64 instruction;
};

/* One episode off the CPU, emitted when it ends. */
struct offcpu_record {
	u8 kind;
	u8 state;
	u8 flags;
	u8 frame_count;
	s16 syscall;
	u16 fd_mode; /* i_mode of the file that arg0 names, 0 if none */
	u32 fd_rdev;
	u32 pid, tid;
	u32 host_pid;
	u32 waker_pid, waker_tid;
	u64 off, wake, on;
	u64 arg0, arg1;
	char waker_comm[COMM_LEN];
	struct py_frame frames[MAX_FRAMES];
};
#define OFFCPU_HEAD __builtin_offsetof(struct offcpu_record, frames)

enum thread_event {
	THREAD_SEEDED = 1, /* it was there when collection began */
	THREAD_FORKED = 2,
	THREAD_EXECUTED = 3, /* its process now runs another program */
	THREAD_EXITED = 4,
	THREAD_FLUSHED = 5, /* it was still there when collection ended */
};

struct thread_record {
	u8 kind;
	u8 event;
	u8 on_cpu;
	u8 python; /* its process runs the program of the calibration */
	u32 pid, tid;
	u32 host_pid, host_tid;
	u32 parent_host_pid;
	u64 time;
	u64 cpu_ns;
	u64 thread_pointer;
	char comm[COMM_LEN];
};

/* What a running thread was doing when the sampler's clock ticked. */
struct sample_record {
	u8 kind;
	u8 in_user;
	u8 frame_count;
	u8 pad;
	s16 syscall; /* in the kernel: the system call, -1 for none */
	u16 pad2;
	u32 pid, tid;
	u32 host_pid;
	u32 pad3;
	u64 time;
	u64 ip;
	struct py_frame frames[MAX_FRAMES];
};
#define SAMPLE_HEAD __builtin_offsetof(struct sample_record, frames)

/* How to walk Python frames: offsets in bytes, measured in the profiled process. */
struct python_config {
	u32 enabled;
	u32 tstate_indirect; /* whether tstate_inner is used */
	s64 tstate_slot;     /* from the thread pointer to the slot that holds the thread state */
	s64 tstate_inner;    /* from what that slot points to, to the slot itself */
	u32 frame_in_tstate;
	u32 frame_indirect; /* whether frame_inner is used */
	u32 frame_inner;
	u32 code_in_frame;
	u32 previous_in_frame;
	u32 instruction_in_frame;
	u32 frame_size; /* bytes of a frame that cover the three */
	u32 pad;
	u64 last_frame; /* the cell's own frame: what called it is of no interest */
};

/* Counted on each CPU: what was not delivered, and why. */
struct loss_counts {
	u64 scheduler; /* scheduler records that found no room */
	u64 samples;   /* samples that found no room */
	u64 walks;     /* Python stacks whose memory could not be read */
	u64 records;   /* scheduler records made, lost ones included */
};

_Static_assert(sizeof(struct py_frame) == 16, "py_frame");
_Static_assert(OFFCPU_HEAD == 88, "offcpu_record");
_Static_assert(sizeof(struct thread_record) == 64, "thread_record");
_Static_assert(SAMPLE_HEAD == 40, "sample_record");
_Static_assert(sizeof(struct python_config) == 64, "python_config");
_Static_assert(sizeof(struct loss_counts) == 32, "loss_counts");

#endif
