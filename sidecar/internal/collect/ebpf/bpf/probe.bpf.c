/* The scheduler's view of one process tree, and a sampler of its running threads.
 *
 * A thread is observed if and only if it has an entry in `threads`: the entry is
 * filter and state at once. Entries are made where a thread is first seen (the
 * task iterator at the start, fork afterwards) and nowhere else. One record is
 * sent for an episode off the CPU, when it ends; a thread that is off the CPU at
 * the end of collection is flushed by the iterator. */
#include "interrupts.h"
#include "kernel.h"
#include "python.h"
#include "records.h"
#include "thread.h"
#include "wait.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Fixed before loading. */
const volatile bool has_prev_state = false; /* sched_switch has a fourth argument */

#define MAX_ANCESTORS 16
#define FORKED_NO_EXEC 0x40 /* in task_struct.flags */

struct {
	MAP_UINT(type, MAP_TYPE_RINGBUF);
	MAP_UINT(max_entries, 2 << 20);
} sample_ring SEC(".maps");

struct sample_scratch {
	u64 words[SCRATCH_WORDS];
	struct sample_record record;
};

struct {
	MAP_UINT(type, MAP_TYPE_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct sample_scratch);
} sample_scratches SEC(".maps");

/* The types that Go needs, kept in BTF. */
const enum record_kind *unused_kind __attribute__((unused));
const enum task_state *unused_state __attribute__((unused));
const enum offcpu_flag *unused_flag __attribute__((unused));
const enum syscall_class *unused_class __attribute__((unused));
const enum interrupt_source *unused_source __attribute__((unused));
const enum thread_event *unused_event __attribute__((unused));
const struct thread_record *unused_thread __attribute__((unused));

/* Ends an episode whose end was not seen: some hypervisors' kernels hide the switches
 * of their own threads. The CPU time since then tells when the thread came back. Until
 * off is 0, a waker on another CPU may take the wait that begins now for this one: its
 * time is then later than on, which is why it has no say in on. */
inline_always void end_unseen(struct thread_state *state, struct task_struct *task, u64 now)
{
	struct offcpu_record *record = &state->record;
	u64 ran = task->se.sum_exec_runtime - state->cpu_at_off;

	record->on = ran < now - record->off ? now - ran : record->off;
	record->flags |= FLAG_END_UNSEEN;
	send_offcpu(record);
	record->off = 0;
	barrier();
}

SEC("tp_btf/sched_switch")
int on_switch(u64 *ctx)
{
	bool preempted = ctx[0];
	struct task_struct *prev = (struct task_struct *)ctx[1];
	struct task_struct *next = (struct task_struct *)ctx[2];
	u64 now = bpf_ktime_get_ns();
	struct thread_state *state;

	state = state_of(prev);
	if (state && state->seeded && !state->gone) {
		struct offcpu_record *record = &state->record;
		u32 raw = has_prev_state ? (u32)ctx[3] : prev->__state;

		if (record->off)
			end_unseen(state, prev, now);
		state->cpu_at_off = prev->se.sum_exec_runtime;
		record->flags = 0;
		record->state = preempted ? STATE_RUNNABLE : state_from(raw);
		record->wake = 0;
		record->waker_pid = 0;
		record->waker_tid = 0;
		describe_wait(state, prev, true);
		walk_at_switch(state, prev, now);
		barrier();
		record->off = now; /* last: from here a waker may write into the record */
	}
	state = state_of(next);
	if (state && state->record.off) {
		state->record.on = now;
		send_offcpu(&state->record);
		state->record.off = 0;
	}
	return 0;
}

inline_always void name_waker(struct thread_state *state)
{
	struct task_struct *waker = bpf_get_current_task_btf();
	struct offcpu_record *record = &state->record;
	struct thread_state *known;

	if (!waker->pid || in_interrupt(waker))
		return;
	known = state_of(waker);
	if (known) {
		record->waker_pid = known->record.pid;
		record->waker_tid = known->record.tid;
		return;
	}
	record->flags |= FLAG_WAKER_OUTSIDE;
	record->waker_pid = waker->tgid;
	record->waker_tid = waker->pid;
	bpf_probe_read_kernel(record->waker_comm, COMM_LEN, waker->comm);
}

SEC("tp_btf/sched_waking")
int on_waking(u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct thread_state *state = state_of(task);

	if (!state || !state->record.off || state->record.wake || state->record.state == STATE_RUNNABLE)
		return 0;
	name_waker(state);
	state->record.wake = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_process_fork")
int on_fork(u64 *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx[0];
	struct task_struct *child = (struct task_struct *)ctx[1];
	struct thread_state *mine = state_of(parent);
	struct thread_state *state;
	u64 now;

	if (!mine)
		return 0;
	state = bpf_task_storage_get(&threads, child, NULL, STORAGE_GET_CREATE);
	if (!state)
		return 0;
	now = bpf_ktime_get_ns();
	state->level = mine->level;
	state->python = mine->python;
	identify(state, child);
	state->seeded = true;
	state->record.syscall = -1;
	state->record.state = STATE_RUNNABLE; /* it waits for a CPU from the first */
	state->record.off = now;
	send_thread(state, child, THREAD_FORKED, now);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int on_exec(u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct thread_state *state = state_of(task);

	if (!state)
		return 0;
	state->python = false;
	identify(state, task); /* a thread that executes takes its leader's id */
	send_thread(state, task, THREAD_EXECUTED, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct thread_state *state = state_of(task);

	if (!state || state->gone)
		return 0;
	state->gone = true;
	send_thread(state, task, THREAD_EXITED, bpf_ktime_get_ns());
	return 0;
}

/* The loader marks the leader of the profiled process; its threads and all that
 * descend from it are found from there. */
inline_always struct thread_state *marked_ancestor(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	for (int i = 0; i < MAX_ANCESTORS; i++) {
		struct thread_state *state;

		if (!leader)
			return NULL;
		state = state_of(leader);
		if (state) {
			if (state->root)
				state->level = leader->thread_pid->level;
			return state;
		}
		if (leader->pid <= 1)
			return NULL;
		leader = leader->real_parent->group_leader;
	}
	return NULL;
}

SEC("iter/task")
int seed_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread_state *state, *ancestor;
	bool python;
	u32 raw;
	u64 now;

	if (!task)
		return 0;
	/* Who reads the iterator is the observer: a child of the profiled process, not a part of it. */
	if (task->tgid == bpf_get_current_task_btf()->tgid)
		return 0;
	state = state_of(task);
	if (state && state->seeded)
		return 0;
	ancestor = marked_ancestor(task);
	if (!ancestor)
		return 0;
	/* Another process shares the calibration as long as it only forked. */
	python = ancestor->root || ancestor->python;
	if (state_of(task->group_leader) != ancestor)
		python = python && (task->group_leader->flags & FORKED_NO_EXEC);
	state = bpf_task_storage_get(&threads, task, NULL, STORAGE_GET_CREATE);
	if (!state)
		return 0;
	state->level = ancestor->level;
	state->python = python;
	identify(state, task);
	now = bpf_ktime_get_ns();
	raw = task->__state;
	state->seeded = true;
	if (!task->on_cpu) {
		state->record.state = state_from(raw);
		state->record.flags = FLAG_SEEDED;
		state->cpu_at_off = task->se.sum_exec_runtime;
		describe_wait(state, task, false);
		barrier();
		state->record.off = now;
	}
	send_thread(state, task, THREAD_SEEDED, now);
	return 0;
}

SEC("iter/task")
int flush_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread_state *state;
	u64 now;

	if (!task)
		return 0;
	state = state_of(task);
	if (!state)
		return 0;
	if (state->seeded && !state->gone) {
		now = bpf_ktime_get_ns();
		if (state->record.off && task->on_cpu) {
			end_unseen(state, task, now);
		} else if (state->record.off) {
			state->record.on = now;
			state->record.flags |= FLAG_OPEN;
			send_offcpu(&state->record);
		}
		send_thread(state, task, THREAD_FLUSHED, now);
	}
	bpf_task_storage_delete(&threads, task);
	return 0;
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *state = state_of(task);
	struct sample_scratch *scratch;
	struct sample_record *record;
	struct syscall_entry entry;
	struct walk_result walked;
	struct loss_counts *counts;
	u32 zero = 0, n;

	if (!state || !state->seeded || state->gone)
		return 0;
	scratch = bpf_map_lookup_elem(&sample_scratches, &zero);
	counts = count();
	if (!scratch || !counts)
		return 0;
	record = &scratch->record;
	record->kind = RECORD_SAMPLE;
	record->in_user = SAMPLE_IN_USER(ctx);
	record->pid = state->record.pid;
	record->tid = state->record.tid;
	record->host_pid = state->record.host_pid;
	record->time = bpf_ktime_get_ns();
	record->ip = SAMPLE_IP(ctx);
	record->syscall = -1;
	record->frame_count = 0;
	if (!record->in_user) {
		read_syscall(task, &entry);
		record->syscall = entry.number;
	}
	if (python.enabled && state->python) {
		walked = walk_python(task, scratch->words, record->frames, MAX_FRAMES);
		record->frame_count = walked.count;
		if (walked.fault)
			counts->walks++;
	}
	n = record->frame_count;
	if (n > MAX_FRAMES)
		n = MAX_FRAMES;
	if (bpf_ringbuf_output(&sample_ring, record, SAMPLE_HEAD + n * sizeof(struct py_frame), RB_NO_WAKEUP))
		counts->samples++;
	return 0;
}
