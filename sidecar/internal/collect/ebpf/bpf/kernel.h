/* The few members of kernel structures that the programs read. Only names and
 * types matter: the loader relocates every access to the running kernel's BTF. */
#ifndef INFERSCOPE_KERNEL_H
#define INFERSCOPE_KERNEL_H

#include "bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct inode {
	unsigned short i_mode;
	u32 i_rdev;
};

struct file {
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct sched_entity {
	u64 sum_exec_runtime;
};

#if defined(__TARGET_ARCH_x86)
struct thread_struct {
	unsigned long fsbase;
};
struct pt_regs {
	unsigned long si, di, orig_ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct thread_struct {
	struct {
		unsigned long tp_value;
	} uw;
};
struct pt_regs {
	u64 regs[31];
	u64 orig_x0;
	s32 syscallno;
};
struct thread_info {
	u64 preempt_count;
};
#endif

struct task_struct {
#if defined(__TARGET_ARCH_arm64)
	struct thread_info thread_info;
#endif
	unsigned int __state;
	unsigned int flags;
	int on_cpu;
	int pid, tgid;
	struct sched_entity se;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	char comm[16];
	struct files_struct *files;
	struct thread_struct thread;
};

struct bpf_iter_meta;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* The context of a perf_event program is user ABI: it is not relocated. */
#if defined(__TARGET_ARCH_x86)
struct bpf_perf_event_data {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	u64 ip, cs, flags, sp, ss;
	u64 sample_period, addr;
};
#define SAMPLE_IP(ctx) ((ctx)->ip)
#define SAMPLE_IN_USER(ctx) (((ctx)->cs & 3) == 3)
#elif defined(__TARGET_ARCH_arm64)
struct bpf_perf_event_data {
	u64 regs[31];
	u64 sp, pc, pstate;
	u64 sample_period, addr;
};
#define SAMPLE_IP(ctx) ((ctx)->pc)
#define SAMPLE_IN_USER(ctx) (((ctx)->pstate & 0xf) == 0)
#endif

/* The thread pointer, relative to which the C library places a thread's variables. */
inline_always u64 thread_pointer(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return task->thread.fsbase;
#else
	return task->thread.uw.tp_value;
#endif
}

/* A task's system call at its last entry into the kernel; number -1 for none. */
struct syscall_entry {
	s64 number;
	u64 arg0, arg1;
};

inline_always void read_syscall(struct task_struct *task, struct syscall_entry *out)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	out->number = -1;
	out->arg0 = 0;
	out->arg1 = 0;
	if (!regs)
		return;
#if defined(__TARGET_ARCH_x86)
	/* The three are next to each other in a layout that user space relies on. */
	struct {
		u64 si, di, orig_ax;
	} read;

	if (bpf_probe_read_kernel(&read, sizeof(read), __builtin_preserve_access_index(&regs->si)))
		return;
	if ((s64)read.orig_ax < 0)
		return;
	out->number = (s64)read.orig_ax;
	out->arg0 = read.di;
	out->arg1 = read.si;
#else
	s32 number = -1;
	READ_KERNEL(number, regs, syscallno);
	if (number < 0)
		return;
	out->number = number;
	READ_KERNEL(out->arg0, regs, orig_x0);
	READ_KERNEL(out->arg1, regs, regs[1]);
#endif
}

#endif
