/* Which CUDA calls are worth a record, by name. */
#ifndef INFERSCOPE_CALLS_H
#define INFERSCOPE_CALLS_H

#include "library.h"

#define CALLS_MAX 1024 /* cbids a domain; 13.5 has some 530 runtime and 820 driver ones */

struct calls {
    uint32_t count[2]; /* cbids known; 0 runtime, 1 driver */
    const char *text[2][CALLS_MAX];
    uint32_t name[2][CALLS_MAX]; /* id in the ring's names, 0 when not sent yet */
    uint8_t wanted[2][CALLS_MAX];
};

/* Asks CUPTI for the names of all calls, once a CUPTI library. */
void calls_prepare(struct calls *calls, const struct cupti *cupti);

/* Switches off the records of every call that is not wanted. */
void calls_silence_noise(const struct calls *calls, const struct cupti *cupti);

/* The ring's id of a call's name, or 0 with *text set when it must be sent first. */
uint32_t calls_name(const struct calls *calls, int driver, uint32_t cbid, const char **text);

/* Remembers that the name was sent. */
void calls_set_name(struct calls *calls, int driver, uint32_t cbid, uint32_t id);

/* A new ring knows no names. */
void calls_forget_names(struct calls *calls);

#endif
