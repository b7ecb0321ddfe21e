/* What a thread does as it leaves the CPU: its state, the system call, the file it waits on, its Python frames. */
#ifndef INFERSCOPE_WAIT_H
#define INFERSCOPE_WAIT_H

#include "kernel.h"
#include "python.h"
#include "records.h"
#include "thread.h"

/* Fixed before loading. */
const volatile u8 syscall_classes[MAX_SYSCALLS] = {};
const volatile u32 device_major = 195; /* of the files that mark a pollfd array as the GPU driver's */

#define NS_PER_FULL_WALK 4000000ULL /* a thread's full walks: 250 a second over time, ... */
#define FULL_WALK_CREDIT 400000000ULL /* ... and 100 in a burst */
#define NS_PER_TOP_WALK 50000ULL

/* A thread tends to wait on the same file again: its kind is kept with the inode. */
inline_always struct file_kind file_kind(struct thread_state *state, struct task_struct *task, u32 fd)
{
	struct file_kind none = {0, 0, 0};
	struct fdtable *table;
	struct file *file = NULL;
	struct inode *inode = NULL;

	table = task->files->fdt;
	if (fd >= table->max_fds)
		return none;
	bpf_probe_read_kernel(&file, sizeof(file), table->fd + fd);
	if (!file)
		return none;
	READ_KERNEL(inode, file, f_inode);
	if (inode && (u64)inode != state->file.inode) {
		state->file.inode = (u64)inode;
		READ_KERNEL(state->file.mode, inode, i_mode);
		READ_KERNEL(state->file.rdev, inode, i_rdev);
	}
	return state->file;
}

#define MAX_POLLED 4

/* The first descriptor of a poll, or one of the first few that is the GPU driver's. */
inline_always struct file_kind polled_kind(struct thread_state *state, struct task_struct *task, u64 array, u64 length)
{
	struct file_kind kind = {0, 0, 0};

	for (u32 i = 0; i < MAX_POLLED; i++) {
		s32 fd = -1;

		if (i >= length)
			break;
		bpf_probe_read_user(&fd, sizeof(fd), (void *)(array + i * 8));
		if (fd < 0)
			continue;
		kind = file_kind(state, task, fd);
		if (kind.rdev >> 20 == device_major)
			break;
	}
	return kind;
}

inline_always void describe_wait(struct thread_state *state, struct task_struct *task, bool current)
{
	struct offcpu_record *record = &state->record;
	struct syscall_entry entry;
	struct file_kind kind = {0, 0, 0};

	read_syscall(task, &entry);
	record->syscall = entry.number;
	record->arg0 = entry.arg0;
	record->arg1 = entry.arg1;
	if (record->state != STATE_RUNNABLE && entry.number >= 0 && entry.number < MAX_SYSCALLS) {
		u8 class = syscall_classes[entry.number];

		if (class == CLASS_FD)
			kind = file_kind(state, task, entry.arg0);
		else if (class == CLASS_POLL && current)
			kind = polled_kind(state, task, entry.arg0, entry.arg1);
	}
	record->fd_mode = kind.mode;
	record->fd_rdev = kind.rdev;
}

/* Python frames at a switch: a full walk costs microseconds, so a thread that
 * switches often gets its deepest frame only, and one that switches at a great
 * rate nothing: the reader then takes its last stack. */
inline_always void walk_at_switch(struct thread_state *state, struct task_struct *task, u64 now)
{
	struct offcpu_record *record = &state->record;
	struct walk_result walked;
	struct loss_counts *counts;
	u64 passed = now - state->walk_time;
	u64 credit = state->walk_credit + passed;

	record->frame_count = 0;
	if (!python.enabled || !state->python)
		return;
	if (credit > FULL_WALK_CREDIT)
		credit = FULL_WALK_CREDIT;
	if (credit >= NS_PER_FULL_WALK) {
		state->walk_credit = credit - NS_PER_FULL_WALK;
		state->walk_time = now;
		walked = walk_python(task, state->scratch, record->frames, MAX_FRAMES);
	} else if (passed >= NS_PER_TOP_WALK) {
		state->walk_credit = credit;
		state->walk_time = now;
		walked = walk_python(task, state->scratch, record->frames, 1);
		record->flags |= FLAG_TOP_ONLY;
	} else {
		record->flags |= FLAG_SAME_STACK;
		return;
	}
	record->frame_count = walked.count;
	if (walked.fault) {
		counts = count();
		if (counts)
			counts->walks++;
	}
}

inline_always u8 state_from(u32 state)
{
	if (!state)
		return STATE_RUNNABLE;
	if (state & 2)
		return STATE_UNINTERRUPTIBLE;
	if (state & 1)
		return STATE_SLEEPING;
	return STATE_OTHER;
}

#endif
