/* What is kept of each observed thread, and how records of it are sent. */
#ifndef INFERSCOPE_THREAD_H
#define INFERSCOPE_THREAD_H

#include "kernel.h"
#include "python.h"
#include "records.h"

/* Fixed before loading. */
const volatile u32 wakeup_bytes = 1 << 20;

struct file_kind {
	u64 inode; /* only compared */
	u32 mode, rdev;
};

struct thread_state {
	u32 level; /* of the pid namespace whose ids are reported */
	bool root;   /* the leader of the profiled process; set by the loader */
	bool seeded; /* the entry is complete */
	bool gone;
	bool python; /* runs the program that the calibration was made in */
	u32 host_tid;
	u32 pad;
	u64 cpu_at_off; /* the thread's CPU time when it last left the CPU */
	u64 walk_time, walk_credit;
	struct file_kind file; /* the last one waited on */
	u64 scratch[SCRATCH_WORDS];
	struct offcpu_record record;
};

struct {
	MAP_UINT(type, MAP_TYPE_TASK_STORAGE);
	MAP_UINT(map_flags, F_NO_PREALLOC);
	MAP_TYPE(key, int);
	MAP_TYPE(value, struct thread_state);
} threads SEC(".maps");

struct {
	MAP_UINT(type, MAP_TYPE_RINGBUF);
	MAP_UINT(max_entries, 16 << 20);
} scheduler_ring SEC(".maps");

struct {
	MAP_UINT(type, MAP_TYPE_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct loss_counts);
} losses SEC(".maps");

inline_always struct thread_state *state_of(struct task_struct *task)
{
	return bpf_task_storage_get(&threads, task, NULL, 0);
}

inline_always struct loss_counts *count(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&losses, &zero);
}

/* The reader polls. It is only woken when the ring fills faster than that, which
 * is looked at once in a while: waking it for each record would cost the observed
 * threads many times what the record does. */
#define RECORDS_PER_LOOK 64

inline_always void send(void *data, u64 size)
{
	struct loss_counts *counts = count();
	u64 flags = RB_NO_WAKEUP;

	if (!counts)
		return;
	if (!(++counts->records % RECORDS_PER_LOOK) && bpf_ringbuf_query(&scheduler_ring, RB_AVAIL_DATA) >= wakeup_bytes)
		flags = RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&scheduler_ring, data, size, flags))
		counts->scheduler++;
}

inline_always void send_offcpu(struct offcpu_record *record)
{
	u32 n = record->frame_count;

	if (n > MAX_FRAMES)
		n = MAX_FRAMES;
	send(record, OFFCPU_HEAD + n * sizeof(struct py_frame));
}

/* The id of a thread as its pid namespace at the given level sees it. */
inline_always u32 id_at(struct pid *pid, u32 level)
{
	u32 nr = 0;
	u64 numbers = __builtin_preserve_field_info(((struct pid *)0)->numbers, 0);

	if (!pid)
		return 0;
	bpf_probe_read_kernel(&nr, sizeof(nr), (char *)pid + numbers + level * sizeof(struct upid));
	return nr;
}

inline_always void identify(struct thread_state *state, struct task_struct *task)
{
	state->record.kind = RECORD_OFFCPU;
	state->record.pid = id_at(task->group_leader->thread_pid, state->level);
	state->record.tid = id_at(task->thread_pid, state->level);
	state->record.host_pid = task->tgid;
	state->host_tid = task->pid;
}

inline_always void send_thread(struct thread_state *state, struct task_struct *task, u8 event, u64 now)
{
	struct thread_record record = {
		.kind = RECORD_THREAD,
		.event = event,
		.on_cpu = task->on_cpu != 0,
		.python = state->python,
		.pid = state->record.pid,
		.tid = state->record.tid,
		.host_pid = state->record.host_pid,
		.host_tid = state->host_tid,
		.parent_host_pid = task->real_parent->tgid,
		.time = now,
		.cpu_ns = task->se.sum_exec_runtime,
		.thread_pointer = thread_pointer(task),
	};

	bpf_probe_read_kernel(record.comm, sizeof(record.comm), task->comm);
	send(&record, sizeof(record));
}

#endif
