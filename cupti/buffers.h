/* The memory that CUPTI fills with activity records. Every function may be called from any thread. */
#ifndef INFERSCOPE_BUFFERS_H
#define INFERSCOPE_BUFFERS_H

#include <stddef.h>
#include <stdint.h>

#define BUFFERS_MAX 256
#define BUFFERS_DEFAULT_BYTES (4u << 20)
#define BUFFERS_DEFAULT_COUNT 64u

/* Sets the size and the number of buffers that may exist at once (0: the defaults), and has the first ones ready. */
void buffers_prepare(uint32_t bytes, uint32_t count);

/* A zeroed buffer. Never NULL, which CUPTI before 12.9 cannot take: when the number or the memory is used up, it is a
 * small one whose records are to be thrown away. Takes no longer than mapping memory does. */
uint8_t *buffers_take(size_t *size);

/* Whether buffers_take gave this one for throwing away. */
int buffers_is_discard(const uint8_t *buffer);

/* Gives back what buffers_take gave; the first used bytes were written to. */
void buffers_give(uint8_t *buffer, size_t size, size_t used);

/* Returns the memory that a burst took to the system. */
void buffers_trim(void);

/* CUPTI holds none any more: what was taken and not given back went to another profiler's callback and is lost. */
void buffers_forget(void);

/* In a forked child: the lock may have been held. */
void buffers_after_fork(void);

#endif
