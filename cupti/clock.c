#define _GNU_SOURCE
#include "clock.h"

#include <time.h>

static int registered;

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_monotonic(void) { return clock_ns(CLOCK_MONOTONIC); }

/* Whether a timestamp comes from one of the system's clocks, which count nanoseconds. Another profiler may have left
 * CUPTI with a counter of its own. */
static int known_clock(uint64_t stamp) {
    static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        uint64_t now = clock_ns(ids[i]), distance = now > stamp ? now - stamp : stamp - now;
        if (stamp != 0 && distance < 1000000000u) return 1;
    }
    return 0;
}

int clock_prepare(const struct cupti *cupti) {
    uint64_t stamp = 0;
    if (cupti->GetTimestamp(&stamp) == ABI_SUCCESS && known_clock(stamp)) return 0;
    if (cupti->ActivityRegisterTimestampCallback == NULL || registered) return -1;
    int error = cupti->ActivityRegisterTimestampCallback(clock_monotonic);
    if (error != ABI_SUCCESS) return error;
    registered = 1;
    return cupti->GetTimestamp(&stamp) == ABI_SUCCESS && known_clock(stamp) ? 0 : -1;
}

void clock_forget(void) { registered = 0; }

int clock_bracket(const struct cupti *cupti, struct gpu_record_clock *best) {
    *best = (struct gpu_record_clock){.head = {GPU_RECORD_CLOCK, sizeof *best, 0}, .error = UINT64_MAX};
    for (int i = 0; i < 100; i++) {
        uint64_t stamp = 0, before = clock_monotonic();
        int error = cupti->GetTimestamp(&stamp);
        if (error != ABI_SUCCESS) return error;
        uint64_t half = (clock_monotonic() - before) / 2;
        if (half < best->error) *best = (struct gpu_record_clock){best->head, before + half, stamp, half};
    }
    return 0;
}
