/* A recording as record.py describes it, for mock_cupti.c. */
#ifndef MOCK_RECORDING_H
#define MOCK_RECORDING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock_callbacks.h"

enum { MEMCPY = 1, MEMSET = 2, DRIVER = 4, RUNTIME = 5, KERNEL = 10, OVERHEAD = 17, PEER = 22, SYNC = 38, ALIEN = 47 };

static struct {
    uint8_t *bytes;
    size_t size;
    char path[512];
    uint64_t stamp;
    uint32_t strings, calls, records;
    char **text;
    const uint8_t *call, *record;
    const uint8_t **in_order; /* the calls by their beginning, then all other records, each behind the call that made it */
} recording;

static uint32_t u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t u64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void put64(uint8_t *at, uint64_t value) { memcpy(at, &value, sizeof value); }

static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, sizeof value); }

/* Reads a recording as record.py describes it; it stays loaded, since names point into it. */
static int load(const char *path) {
    if (recording.bytes != NULL) return strcmp(path, recording.path) == 0 ? 0 : -1;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) return -1;
    recording.size = (size_t)ftell(file);
    rewind(file);
    recording.bytes = malloc(recording.size);
    size_t read = fread(recording.bytes, 1, recording.size, file);
    fclose(file);
    const uint8_t *at = recording.bytes;
    if (read != recording.size || memcmp(at, "CUPTIREC", 8) != 0 || u32(at + 8) != 1) return -1;
    recording.stamp = u64(at + 16);
    recording.strings = u32(at + 24);
    recording.text = calloc(recording.strings, sizeof *recording.text);
    at += 28;
    for (uint32_t i = 0; i < recording.strings; i++) {
        uint32_t length = u32(at);
        recording.text[i] = strndup((const char *)at + 4, length);
        at += 4 + length;
    }
    recording.calls = u32(at);
    recording.call = at + 4;
    at += 4 + (size_t)recording.calls * 12;
    recording.records = u32(at);
    recording.record = at + 4;
    snprintf(recording.path, sizeof recording.path, "%s", path);
    return 0;
}

/* Where a record of the recording has its correlation id; 0 for none. */
static int link_offset(uint32_t kind) {
    return kind == RUNTIME || kind == DRIVER ? 32 : kind == KERNEL ? 92 : kind == MEMCPY ? 44 : kind == SYNC ? 24 : 0;
}

static int is_call(const uint8_t *record) { return u32(record) == RUNTIME || u32(record) == DRIVER; }

static int by_beginning(const void *a, const void *b) {
    uint64_t x = u64(*(const uint8_t *const *)a + 8), y = u64(*(const uint8_t *const *)b + 8);
    return x < y ? -1 : x > y;
}

/* Orders the records as they come about: a call, then what it made the device do. Each is preceded by its size. */
static void order(void) {
    const uint8_t **all = malloc(recording.records * sizeof *all), **to = malloc(recording.records * sizeof *to);
    uint8_t *taken = calloc(recording.records, 1);
    const uint8_t *at = recording.record;
    uint32_t calls = 0, out = 0;
    for (uint32_t i = 0; i < recording.records; i++, at += 4 + u32(at)) {
        all[i] = at + 4;
        if (is_call(all[i])) to[calls++] = all[i];
    }
    qsort(to, calls, sizeof *to, by_beginning);
    const uint8_t **sorted = malloc(recording.records * sizeof *sorted);
    for (uint32_t c = 0; c < calls; c++) {
        sorted[out++] = to[c];
        for (uint32_t i = 0; i < recording.records; i++) {
            int link = is_call(all[i]) ? 0 : link_offset(u32(all[i]));
            /* The outermost of the calls with this id comes first. */
            if (link == 0 || taken[i] || u32(all[i] + link) != u32(to[c] + 32)) continue;
            taken[i] = 1;
            sorted[out++] = all[i];
        }
    }
    for (uint32_t i = 0; i < recording.records; i++)
        if (!is_call(all[i]) && !taken[i]) sorted[out++] = all[i];
    free(all);
    free(to);
    free(taken);
    recording.in_order = sorted;
}

static const char *call_name(int driver, uint32_t cbid) {
    for (uint32_t i = 0; i < recording.calls; i++) {
        const uint8_t *call = recording.call + (size_t)i * 12;
        if (u32(call) == (driver ? DRIVER_DOMAIN : RUNTIME_DOMAIN) && u32(call + 4) == cbid) return recording.text[u32(call + 8)];
    }
    return driver ? inner_name(cbid) : NULL;
}

#endif
