#define _GNU_SOURCE
#include "convert.h"

void convert_put(struct sink *sink, const void *record) {
    if (ring_write(&sink->ring, record)) sink->written++;
}

static uint32_t name_of(struct sink *sink, const char *text) { return names_intern(&sink->names, &sink->ring, text); }

static int plausible(uint64_t start, uint64_t end) { return start != 0 && end >= start; }

static uint32_t unique(struct sink *sink, uint32_t id) {
    if (id == 0) return 0;
    id += sink->base;
    if (id > sink->most) sink->most = id;
    return id;
}

void convert_anew(struct sink *sink) { sink->base = sink->most; }

static void worked(struct sink *sink, uint32_t device) {
    if (device < 64) sink->devices |= (uint64_t)1 << device;
}

static void number(struct numbering *n, const struct abi_kernel *k) {
    uint64_t id = (uint64_t)k->grid_id;
    if (k->graph_node != 0 || k->grid_id <= 0) return;
    if (n->last != 0 && n->context != k->context) n->mixed = 1;
    n->context = k->context;
    if (n->first == 0 || id < n->first) n->first = id;
    if (id > n->last) n->last = id;
}

static void convert_kernel(struct sink *sink, const struct abi_kernel *k) {
    number(&sink->numbers, k);
    worked(sink, k->device);
    struct gpu_record_kernel out = {
        .head = {GPU_RECORD_KERNEL, sizeof out, k->name ? name_of(sink, k->name) : 0},
        .start = k->start, .end = k->end, .device = k->device, .stream = k->stream,
        .correlation = unique(sink, k->correlation), .graph = k->graph_node != 0 ? k->graph : 0, .context = k->context,
        .shared_bytes = (uint32_t)k->static_shared + (uint32_t)k->dynamic_shared};
    for (int i = 0; i < 3; i++) {
        out.grid[i] = (uint32_t)k->grid[i];
        out.block[i] = (uint32_t)k->block[i];
    }
    convert_put(sink, &out);
}

static void convert_memcpy(struct sink *sink, const struct abi_memcpy *m) {
    struct gpu_record_memcpy out = {
        .head = {GPU_RECORD_MEMCPY, sizeof out, 0}, .start = m->start, .end = m->end, .bytes = m->bytes,
        .device = m->device, .stream = m->stream, .correlation = unique(sink, m->correlation),
        .copy_kind = m->copy_kind, .src_kind = m->src_kind, .dst_kind = m->dst_kind};
    worked(sink, m->device);
    convert_put(sink, &out);
}

static void convert_peer(struct sink *sink, const struct abi_memcpy_peer *m) {
    struct gpu_record_memcpy out = {
        .head = {GPU_RECORD_MEMCPY, sizeof out, 0}, .start = m->start, .end = m->end, .bytes = m->bytes,
        .device = m->device, .stream = m->stream, .correlation = unique(sink, m->correlation),
        .copy_kind = m->copy_kind, .src_kind = m->src_kind, .dst_kind = m->dst_kind,
        .peer = 1, .src_device = m->src_device, .dst_device = m->dst_device};
    worked(sink, m->src_device);
    worked(sink, m->dst_device);
    convert_put(sink, &out);
}

static void convert_memset(struct sink *sink, const struct abi_memset *m) {
    struct gpu_record_memset out = {
        .head = {GPU_RECORD_MEMSET, sizeof out, 0}, .start = m->start, .end = m->end, .bytes = m->bytes,
        .device = m->device, .stream = m->stream, .correlation = unique(sink, m->correlation), .memory_kind = m->memory_kind};
    convert_put(sink, &out);
}

void convert_call(struct sink *sink, const struct abi_api *a) {
    int is_driver = a->kind == ABI_KIND_DRIVER;
    const char *text = NULL;
    uint32_t id = calls_name(&sink->calls, is_driver, a->cbid, &text);
    if (id == 0 && text != NULL) {
        id = name_of(sink, text);
        calls_set_name(&sink->calls, is_driver, a->cbid, id);
    }
    struct gpu_record_api out = {
        .head = {GPU_RECORD_API, sizeof out, id}, .start = a->start, .end = a->end, .thread = a->thread,
        .correlation = unique(sink, a->correlation), .cbid = a->cbid | (is_driver ? 0x80000000u : 0), .returned = a->returned};
    convert_put(sink, &out);
}

static void convert_sync(struct sink *sink, const struct abi_sync *s) {
    struct gpu_record_sync out = {
        .head = {GPU_RECORD_SYNC, sizeof out, 0}, .start = s->start, .end = s->end, .type = s->type,
        .stream = s->stream, .correlation = unique(sink, s->correlation), .event = s->event};
    convert_put(sink, &out);
}

static void convert_overhead(struct sink *sink, const struct abi_overhead *o) {
    struct gpu_record_overhead out = {
        .head = {GPU_RECORD_OVERHEAD, sizeof out, 0}, .start = o->start, .end = o->end, .kind = o->overhead_kind,
        .thread = o->object_kind == 2 /* CUPTI_ACTIVITY_OBJECT_THREAD */ ? o->object[1] : 0};
    convert_put(sink, &out);
}

/* Copies one CUPTI record of length bytes; 0 when it is implausible. A record shorter than what is read of it belongs to
 * a layout that this file does not know. */
static int convert(struct sink *sink, const struct abi_record *record, size_t length) {
    const void *r = record;
#define WITH(type, fn)                                                                \
    do {                                                                              \
        const type *x = r;                                                            \
        if (length < sizeof *x || !plausible(x->start, x->end)) return 0;             \
        fn(sink, x);                                                                  \
    } while (0)
    switch (record->kind) {
    case ABI_KIND_KERNEL:
    case ABI_KIND_CONCURRENT_KERNEL: WITH(struct abi_kernel, convert_kernel); break;
    case ABI_KIND_MEMCPY: WITH(struct abi_memcpy, convert_memcpy); break;
    case ABI_KIND_MEMCPY2: WITH(struct abi_memcpy_peer, convert_peer); break;
    case ABI_KIND_MEMSET: WITH(struct abi_memset, convert_memset); break;
    case ABI_KIND_DRIVER:
    case ABI_KIND_RUNTIME: WITH(struct abi_api, convert_call); break;
    case ABI_KIND_SYNCHRONIZATION: WITH(struct abi_sync, convert_sync); break;
    case ABI_KIND_OVERHEAD: WITH(struct abi_overhead, convert_overhead); break;
    default: break; /* a kind that somebody else enabled */
    }
#undef WITH
    return 1;
}

void convert_buffer(struct sink *sink, const struct cupti *cupti, uint8_t *buffer, size_t valid) {
    struct abi_record *next = NULL, *record = NULL;
    uint64_t invalid = 0;
    int result = ABI_ERROR_MAX_LIMIT_REACHED;
    /* One record behind, to know each one's length: they grow from version to version. */
    while (valid > 0 && (result = cupti->ActivityGetNextRecord(buffer, valid, &next)) == ABI_SUCCESS) {
        if (record != NULL) invalid += !convert(sink, record, (size_t)((uint8_t *)next - (uint8_t *)record));
        record = next;
    }
    if (record != NULL) invalid += !convert(sink, record, (size_t)(buffer + valid - (uint8_t *)record));
    if (result != ABI_ERROR_MAX_LIMIT_REACHED) invalid++; /* the rest cannot be walked */
    if (invalid > 0) ring_count(&sink->ring.header->invalid, invalid);
    ring_publish(&sink->ring);
}
