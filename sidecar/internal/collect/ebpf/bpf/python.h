/* Walks the Python frames of the current thread with offsets measured in the
 * process itself. Everything read is the user's memory: any value may be garbage,
 * and a failed read ends the walk. */
#ifndef INFERSCOPE_PYTHON_H
#define INFERSCOPE_PYTHON_H

#include "kernel.h"
#include "records.h"

/* Set by the loader before each cell. */
struct python_config python;

#define SCRATCH_WORDS 16

struct walk_result {
	u32 count;
	bool fault;
};

inline_always u64 read_user_word(u64 address)
{
	u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

/* Fills at most max frames, deepest first. No frames and no fault means that the
 * thread runs no Python. The caller's scratch holds one frame at a time. */
inline_always struct walk_result walk_python(struct task_struct *task, u64 *scratch, struct py_frame *out, u32 max)
{
	struct walk_result result = {0, false};
	u64 slot, frame;
	u32 size = python.frame_size;

	slot = thread_pointer(task);
	if (!slot)
		return result;
	slot += python.tstate_slot;
	if (python.tstate_indirect) {
		slot = read_user_word(slot);
		if (!slot)
			return result;
		slot += python.tstate_inner;
	}
	frame = read_user_word(slot);
	if (!frame)
		return result;
	frame = read_user_word(frame + python.frame_in_tstate);
	if (frame && python.frame_indirect)
		frame = read_user_word(frame + python.frame_inner);

	if (size > SCRATCH_WORDS * 8)
		size = SCRATCH_WORDS * 8;
	for (u32 i = 0; i < MAX_FRAMES; i++) {
		if (!frame || i >= max)
			break;
		if (bpf_probe_read_user(scratch, size, (void *)frame)) {
			result.fault = true;
			break;
		}
		/* The low bits of a reference may carry a tag. */
		out[i].code = scratch[(python.code_in_frame >> 3) & (SCRATCH_WORDS - 1)] & ~7ULL;
		out[i].instruction = scratch[(python.instruction_in_frame >> 3) & (SCRATCH_WORDS - 1)];
		result.count = i + 1;
		if (frame == python.last_frame)
			break;
		frame = scratch[(python.previous_in_frame >> 3) & (SCRATCH_WORDS - 1)];
	}
	return result;
}

#endif
