/* The calls of one process into the GPU driver's library.
 *
 * The probes are attached to that process alone, so that no other process of the
 * machine pays for them. A thread's outermost call is recorded, when it returns:
 * what the library calls of itself on the way is part of it. */
#include "calls.h"
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Fixed before loading. */
const volatile u32 wakeup_bytes = 1 << 20;

/* Set for each session. */
u64 session = 0; /* what a state of another session has, is void */
u64 namespace_device = 0, namespace_inode = 0; /* the pid namespace whose ids are reported */

/* A thread's call that is under way. */
struct call_state {
	u64 session;
	u64 start; /* 0 for none; written last */
	u64 stack; /* the stack pointer at the call */
	u64 cookie;
	u64 bytes;
	u32 tid;
	u32 pad;
};

struct {
	MAP_UINT(type, MAP_TYPE_TASK_STORAGE);
	MAP_UINT(map_flags, F_NO_PREALLOC);
	MAP_TYPE(key, int);
	MAP_TYPE(value, struct call_state);
} states SEC(".maps");

struct {
	MAP_UINT(type, MAP_TYPE_RINGBUF);
	MAP_UINT(max_entries, 4 << 20);
} ring SEC(".maps");

struct {
	MAP_UINT(type, MAP_TYPE_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct call_counts);
} counts SEC(".maps");

const struct call_record *unused_record __attribute__((unused));
const enum cookie_layout *unused_layout __attribute__((unused));

struct pidns_info {
	u32 pid, tgid;
};

static long (*const bpf_get_ns_current_pid_tgid)(u64 dev, u64 ino, struct pidns_info *info, u32 size) = (void *)120;
static u64 (*const bpf_get_attach_cookie)(void *ctx) = (void *)174;

/* The registers of a probed function are user ABI: they are not relocated. */
#if defined(__TARGET_ARCH_x86)
struct registers {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	u64 ip, cs, flags, sp, ss;
};
#define ARGUMENT_2(r) ((r)->si)
#define ARGUMENT_3(r) ((r)->dx)
#define ARGUMENT_4(r) ((r)->cx)
#define ARGUMENT_5(r) ((r)->r8)
/* The return address is gone from the stack once a function has returned. */
#define HAS_RETURNED(sp, sp_at_call) ((sp) > (sp_at_call))
#elif defined(__TARGET_ARCH_arm64)
struct registers {
	u64 regs[31];
	u64 sp, pc, pstate;
};
#define ARGUMENT_2(r) ((r)->regs[1])
#define ARGUMENT_3(r) ((r)->regs[2])
#define ARGUMENT_4(r) ((r)->regs[3])
#define ARGUMENT_5(r) ((r)->regs[4])
#define HAS_RETURNED(sp, sp_at_call) ((sp) >= (sp_at_call))
#endif

inline_always struct call_counts *count(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counts, &zero);
}

/* A value in a register of its own: the verifier refuses registers of the process that
 * are picked by a computed offset, which is what the compiler makes of a choice among them. */
#define KEEP(value) __asm__ volatile("" : "+r"(value))

inline_always u64 bytes_of(struct registers *r, u64 cookie)
{
	u32 size = cookie >> COOKIE_SIZE_SHIFT & 15, factor = cookie >> COOKIE_FACTOR_SHIFT & 15;
	u64 second = ARGUMENT_2(r), third = ARGUMENT_3(r), fourth = ARGUMENT_4(r), fifth = ARGUMENT_5(r);
	u64 bytes;

	KEEP(second);
	KEEP(third);
	KEEP(fourth);
	KEEP(fifth);
	switch (size) {
	case 2:
		bytes = second;
		break;
	case 3:
		bytes = third;
		break;
	case 4:
		bytes = fourth;
		break;
	case 5:
		bytes = fifth;
		break;
	default:
		return 0;
	}
	bytes *= cookie >> COOKIE_ELEMENT_SHIFT & 15;
	if (factor == 4)
		bytes *= fourth;
	else if (factor == 5)
		bytes *= fifth;
	return bytes;
}

/* The reader polls; it is woken only when the ring fills faster than that, which is
 * looked at once in a while. */
#define RECORDS_PER_LOOK 64

inline_always void send(struct call_state *state, u64 end)
{
	struct call_counts *counted = count();
	struct call_record record = {
		.function = state->cookie & ((1 << COOKIE_FUNCTION_BITS) - 1),
		.tid = state->tid,
		.start = state->start,
		.end = end,
		.bytes = state->bytes,
	};
	u64 flags = RB_NO_WAKEUP;

	if (!counted)
		return;
	if (!(++counted->records % RECORDS_PER_LOOK) && bpf_ringbuf_query(&ring, RB_AVAIL_DATA) >= wakeup_bytes)
		flags = RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&ring, &record, sizeof(record), flags))
		counted->lost++;
}

/* A thread's first call in a session. */
inline_always void begin(struct call_state *state)
{
	struct pidns_info info = {0, 0};

	state->start = 0;
	state->tid = 0;
	if (!bpf_get_ns_current_pid_tgid(namespace_device, namespace_inode, &info, sizeof(info)))
		state->tid = info.pid;
	state->session = session;
}

SEC("uprobe.multi")
int on_call(struct registers *ctx)
{
	struct call_state *state = bpf_task_storage_get(&states, bpf_get_current_task_btf(), NULL, STORAGE_GET_CREATE);
	struct call_counts *counted;
	u64 stack = ctx->sp;

	if (!state) {
		counted = count();
		if (counted)
			counted->untracked++;
		return 0;
	}
	if (state->session != session)
		begin(state);
	if (state->start) {
		if (stack <= state->stack)
			return 0; /* within the call that is under way, or jumped to as its last step */
		/* The stack has been given back below that call: it is over, and nobody saw how. */
		counted = count();
		if (counted)
			counted->unfinished++;
		state->start = 0;
	}
	state->stack = stack;
	state->cookie = bpf_get_attach_cookie(ctx);
	state->bytes = bytes_of(ctx, state->cookie);
	barrier();
	state->start = bpf_ktime_get_ns();
	return 0;
}

SEC("uretprobe.multi")
int on_return(struct registers *ctx)
{
	struct call_state *state = bpf_task_storage_get(&states, bpf_get_current_task_btf(), NULL, 0);
	u64 now = bpf_ktime_get_ns();

	if (!state || state->session != session || !state->start)
		return 0;
	if (!HAS_RETURNED(ctx->sp, state->stack) || bpf_get_attach_cookie(ctx) != state->cookie)
		return 0;
	send(state, now);
	state->start = 0;
	return 0;
}

/* Sends the calls that have not returned when collection ends. */
SEC("iter/task")
int flush_calls(struct bpf_iter__task *ctx)
{
	struct call_state *state;

	if (!ctx->task)
		return 0;
	state = bpf_task_storage_get(&states, ctx->task, NULL, 0);
	if (!state || state->session != session || !state->start)
		return 0;
	send(state, 0);
	state->start = 0;
	return 0;
}
