/* Whether a program runs in an interrupt: the kernel tells in different ways, and
 * the loader chooses one. */
#ifndef INFERSCOPE_INTERRUPTS_H
#define INFERSCOPE_INTERRUPTS_H

#include "kernel.h"
#include "records.h"

/* Fixed before loading: an enum interrupt_source. */
const volatile u8 interrupts_seen = INTERRUPT_GUESSED;

#define KERNEL_THREAD 0x200000 /* in task_struct.flags */

/* Which interrupts a CPU is in, as far as they are traced. */
struct {
	MAP_UINT(type, MAP_TYPE_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u32);
} interrupts SEC(".maps");

/* Whether this program runs in an interrupt, whose current task is a bystander. */
inline_always bool in_interrupt(struct task_struct *current)
{
	if (interrupts_seen == INTERRUPT_COUNTED) {
		u32 preempt_count;
#if defined(__TARGET_ARCH_x86)
		const void *variable;
		const u32 *mine;

		/* The loader replaces the constant by the variable __preempt_count. */
		__asm__ volatile("%0 = 0x496e666572536370 ll" : "=r"(variable));
		mine = bpf_this_cpu_ptr(variable);
		preempt_count = *mine;
#else
		preempt_count = (u32)current->thread_info.preempt_count;
#endif
		/* non-maskable, hard, and a soft interrupt being served */
		return preempt_count & 0x00ff0100;
	}
	if (interrupts_seen == INTERRUPT_TRACED) {
		u32 zero = 0;
		u32 *flags = bpf_map_lookup_elem(&interrupts, &zero);

		return !flags || *flags;
	}
	/* A thread wakes another from a system call; in one, an interrupt is not told apart. */
	struct syscall_entry entry;

	read_syscall(current, &entry);
	return entry.number < 0 || (current->flags & KERNEL_THREAD);
}

enum { IN_HARD = 1, IN_SOFT = 2, IN_TIMER = 4 };

inline_always int enter_interrupt(u32 kind)
{
	u32 zero = 0;
	u32 *flags = bpf_map_lookup_elem(&interrupts, &zero);

	if (flags)
		*flags |= kind;
	return 0;
}

inline_always int leave_interrupt(u32 kind)
{
	u32 zero = 0;
	u32 *flags = bpf_map_lookup_elem(&interrupts, &zero);

	if (flags)
		*flags &= ~kind;
	return 0;
}

/* Attached only where the kernel does not let a program read its own count. */
SEC("tp_btf/irq_handler_entry")
int on_hard_entry(void *ctx __attribute__((unused)))
{
	return enter_interrupt(IN_HARD);
}

SEC("tp_btf/irq_handler_exit")
int on_hard_exit(void *ctx __attribute__((unused)))
{
	return leave_interrupt(IN_HARD);
}

SEC("tp_btf/softirq_entry")
int on_soft_entry(void *ctx __attribute__((unused)))
{
	return enter_interrupt(IN_SOFT);
}

SEC("tp_btf/softirq_exit")
int on_soft_exit(void *ctx __attribute__((unused)))
{
	return leave_interrupt(IN_SOFT);
}

#if defined(__TARGET_ARCH_x86)
SEC("tp_btf/local_timer_entry")
int on_timer_entry(void *ctx __attribute__((unused)))
{
	return enter_interrupt(IN_TIMER);
}

SEC("tp_btf/local_timer_exit")
int on_timer_exit(void *ctx __attribute__((unused)))
{
	return leave_interrupt(IN_TIMER);
}
#endif

#endif
