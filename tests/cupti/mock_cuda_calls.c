/* The calls of libcuda.so.1 that a probe can see, for mock_cuda.c: they do nothing, but for those that wait.
 *
 * On x86-64 their first instructions differ as compilers', drivers' and assemblers' do: a pushed register, an empty
 * instruction of one and of five bytes, the mark of a jump's target, room on the stack, an address, a jump. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>

void mock_cuda_wait(void);

#define HIDDEN __attribute__((visibility("hidden"), used))

#if defined(__x86_64__)
/* A function that begins and ends with these instructions and calls mock_NAME in between. */
#define ENTRY(name, first, last)                                                                           \
    __asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n" first "\n call mock_" #name \
            "\n" last "\n ret\n.size " #name ", . - " #name "\n");
#define JUMP(name) \
    __asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n jmp mock_" #name "\n.size " #name ", . - " #name "\n");
#define PUSH(name) ENTRY(name, "push %rbp\n mov %rsp, %rbp", "pop %rbp")
#define MARK(name) ENTRY(name, ".byte 0xf3, 0x0f, 0x1e, 0xfa\n push %r12", "pop %r12")
#define NOP1(name) ENTRY(name, "nop\n sub $8, %rsp", "add $8, %rsp")
#define NOP5(name) ENTRY(name, ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n sub $8, %rsp", "add $8, %rsp")
#define ROOM(name) ENTRY(name, "sub $8, %rsp", "add $8, %rsp")
#define ADDRESS(name) ENTRY(name, "lea 8(%rsp), %r10\n push %rbp", "pop %rbp")
#define LOCKED(name) ENTRY(name, "lock addl $0, (%rsp)\n push %rbp", "pop %rbp")
#define FUNCTION(form, name, parameters) \
    form(name) HIDDEN int mock_##name parameters;  \
    HIDDEN int mock_##name parameters
#else
#define FUNCTION(form, name, parameters) int name parameters; int name parameters
#endif

int cuStreamSynchronize(void *stream);

FUNCTION(PUSH, cuLaunchKernel, (void *function, unsigned x)) { return function == NULL && x == 0; }
FUNCTION(MARK, cuLaunchKernel_ptsz, (void *function, unsigned x)) { return function == NULL && x == 0; }
FUNCTION(NOP1, cuLaunchKernelEx, (const void *config, void *function)) { return config == NULL && function == NULL; }
FUNCTION(NOP5, cuGraphLaunch, (void *graph, void *stream)) { return graph == NULL && stream != NULL; }
FUNCTION(ROOM, cuMemcpyHtoDAsync_v2, (uint64_t to, const void *from, size_t bytes, void *stream)) {
    return to == 0 && from == NULL && bytes == 0 && stream != NULL;
}
/* It waits by a function that is exported too: one call all the same. */
FUNCTION(ADDRESS, cuMemcpyDtoH_v2, (void *to, uint64_t from, size_t bytes)) {
    return to == NULL && from == 0 && bytes == 0 ? 1 : cuStreamSynchronize(NULL);
}
/* An old function of which there is a newer one: its size is none of 64 bits. */
FUNCTION(PUSH, cuMemcpyDtoH, (void *to, unsigned from, unsigned bytes)) { return to == NULL && from == 0 && bytes == 0; }
FUNCTION(MARK, cuMemsetD32Async, (uint64_t to, unsigned value, size_t count, void *stream)) {
    return to == 0 && value != 0 && count == 0 && stream != NULL;
}
FUNCTION(PUSH, cuMemsetD2D16_v2, (uint64_t to, size_t pitch, unsigned short value, size_t width, size_t height)) {
    return to == 0 && pitch == 0 && value != 0 && width == 0 && height == 0;
}
FUNCTION(MARK, cuStreamSynchronize, (void *stream)) {
    mock_cuda_wait();
    return stream != NULL;
}
FUNCTION(ROOM, cuEventSynchronize, (void *event)) {
    mock_cuda_wait();
    return event != NULL;
}
FUNCTION(PUSH, cuMemAlloc_v2, (uint64_t * address, size_t bytes)) {
    *address = bytes;
    return 0;
}
#if defined(__x86_64__)
JUMP(cuMemFree_v2)
HIDDEN int mock_cuMemFree_v2(uint64_t address);
HIDDEN int mock_cuMemFree_v2(uint64_t address) { return address == 0; }
#else
int cuMemFree_v2(uint64_t address);
int cuMemFree_v2(uint64_t address) { return address == 0; }
#endif
FUNCTION(PUSH, cuModuleLoadData, (void **module, const void *image)) {
    *module = NULL;
    return image == NULL;
}
/* One that the kernel refuses to probe. */
FUNCTION(LOCKED, cuMemHostRegister_v2, (void *address, size_t bytes, unsigned flags)) {
    return address == NULL && bytes == 0 && flags != 0;
}
/* One that no probe is for. */
FUNCTION(PUSH, cuStreamQuery, (void *stream)) { return stream != NULL; }
