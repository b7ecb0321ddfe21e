/* The decisions of the overhead governor, played through on a clock of the test's own. */
#include "governor.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "governor_test.c:%d: not true: %s\n", __LINE__, #condition); \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

#define MS 1000000ull

/* A program that would launch every launch_ns, and takes cost_ns more for each while it is captured. */
struct program {
    uint64_t launch_ns, cost_ns, open_ns, close_ns;
};

struct played {
    uint64_t wall_ns, extra_ns; /* extra: by capture, of the wall */
    int windows;
    uint64_t seen_ns;
    struct governor governor;
};

static struct played play(struct program p, uint32_t budget_ppm, uint64_t length_ns) {
    struct played out = {0};
    struct governor *g = &out.governor;
    uint64_t now = 1000 * MS, began = now, launched = 0, window_launches = 0, missed = 0;
    governor_begin(g, budget_ppm, now);
    while (launched * p.launch_ns < length_ns) {
        uint64_t step = p.launch_ns + (g->open ? p.cost_ns : 0), n = 1 * MS / step + 1;
        now += n * step;
        launched += n;
        if (g->open) {
            window_launches += n;
            out.seen_ns += n * step;
            out.extra_ns += n * p.cost_ns;
        } else {
            missed += n;
        }
        switch (governor_decide(g, now, window_launches)) {
        case GOVERNOR_CLOSE:
            governor_closed(g, now, p.close_ns, window_launches, missed);
            now += p.close_ns;
            out.extra_ns += p.close_ns;
            window_launches = missed = 0;
            out.windows++;
            break;
        case GOVERNOR_OPEN:
            now += p.open_ns;
            out.extra_ns += p.open_ns;
            governor_opened(g, now, p.open_ns);
            break;
        case GOVERNOR_STAY: break;
        }
    }
    out.wall_ns = now - began;
    return out;
}

static double slowdown(struct played p) { return (double)p.wall_ns / (double)(p.wall_ns - p.extra_ns); }

int main(void) {
    const struct program h100 = {7100, 1250, 10 * MS, 4 * MS};
    /* The loop of launches of 5 s keeps the budget, in several windows that together say something. */
    struct played p = play(h100, 50000, 5000 * MS);
    CHECK(slowdown(p) <= 1.05 && p.windows >= 4 && p.seen_ns > 400 * MS);
    /* Part of it is left to the cell's other collectors. */
    CHECK(slowdown(p) <= 1.033);
    /* So does one of 2 s and one of a minute, and tighter budgets from when they can. */
    CHECK(slowdown(play(h100, 50000, 2000 * MS)) <= 1.05);
    CHECK(slowdown(play(h100, 50000, 60000 * MS)) <= 1.05);
    CHECK(slowdown(play(h100, 20000, 10000 * MS)) <= 1.02);
    /* What a launch costs here is found out: a machine where it is twice as dear, one where it is half. */
    const struct program dear = {7100, 2500, 10 * MS, 4 * MS}, cheap = {7100, 600, 10 * MS, 4 * MS};
    p = play(dear, 50000, 20000 * MS);
    CHECK(p.governor.launch_ns > 2200 && p.governor.launch_ns < 2800 && slowdown(p) <= 1.05);
    p = play(cheap, 50000, 20000 * MS);
    CHECK(p.governor.launch_ns > 500 && p.governor.launch_ns < 700 && slowdown(p) <= 1.05);
    /* A cell within its budget is captured whole, and so is one without a budget. */
    const struct program training = {60000, 1250, 10 * MS, 4 * MS};
    CHECK(play(training, 50000, 20000 * MS).windows == 0);
    CHECK(play(h100, 0, 20000 * MS).windows == 0);
    /* A short cell is whole, whatever it does. */
    CHECK(play(h100, 50000, 200 * MS).windows == 0);
    /* A cell that did nothing with the GPU for long, then launches: the long beginning pays for it. */
    p.governor = (struct governor){0};
    governor_begin(&p.governor, 50000, 0);
    CHECK(governor_decide(&p.governor, 60000 * MS, 10) == GOVERNOR_STAY);
    CHECK(governor_decide(&p.governor, 61000 * MS, 130000) == GOVERNOR_STAY);
    CHECK(governor_decide(&p.governor, 61000 * MS, 5000000) == GOVERNOR_CLOSE);
    return 0;
}
