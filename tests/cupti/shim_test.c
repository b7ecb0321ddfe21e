/* Runs the shim under the sanitizers. Arguments: the folder that holds libcuda.so.1 and libcupti.so.13 made by the test,
 * and an empty folder. Exits 0 when every check holds. */
#define _GNU_SOURCE

#include "inferscope_shim.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "shim_test.c:%d: not true: %s\n", __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

static char cuda_path[PATH_MAX], cupti_path[PATH_MAX];

static void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return library;
}

static struct inferscope_gpu_presence probe(const char *injection, const char *fds) {
    struct inferscope_gpu_presence presence;
    memset(&presence, 0xff, sizeof(presence));
    CHECK(inferscope_gpu_probe(&presence, injection, fds) == 0);
    return presence;
}

static void *load_and_unload(void *unused) {
    (void)unused;
    for (int i = 0; i < 200; i++) {
        void *library = load(cupti_path);
        CHECK(dlclose(library) == 0);
    }
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    snprintf(cuda_path, sizeof(cuda_path), "%s/libcuda.so.1", argv[1]);
    snprintf(cupti_path, sizeof(cupti_path), "%s/libcupti.so.13", argv[1]);

    CHECK(inferscope_shim_version() == INFERSCOPE_SHIM_VERSION);
    CHECK(inferscope_gpu_probe(NULL, NULL, NULL) == -1);

    struct inferscope_gpu_presence presence = probe(cuda_path, NULL);
    CHECK((presence.flags & (INFERSCOPE_GPU_LIBCUDA | INFERSCOPE_GPU_LIBCUPTI | INFERSCOPE_GPU_INJECTION)) == 0);
    CHECK(presence.cupti_version == 0 && presence.libcuda[0] == '\0' && presence.libcupti[0] == '\0');

    void *cuda = load(cuda_path);
    presence = probe(NULL, NULL);
    CHECK(presence.flags & INFERSCOPE_GPU_LIBCUDA);
    CHECK(!(presence.flags & (INFERSCOPE_GPU_LIBCUDART | INFERSCOPE_GPU_LIBCUPTI | INFERSCOPE_GPU_INJECTION)));
    CHECK(strncmp(presence.libcuda, cuda_path, INFERSCOPE_PATH_SIZE - 1) == 0);
    CHECK(probe(cuda_path, NULL).flags & INFERSCOPE_GPU_INJECTION);
    CHECK(!(probe("", NULL).flags & INFERSCOPE_GPU_INJECTION));

    void *cupti = load(cupti_path);
    presence = probe(NULL, NULL);
    CHECK(presence.flags & INFERSCOPE_GPU_LIBCUPTI);
    CHECK(presence.cupti_version == 130001);
    /* The probe left the library's count of users as it was. */
    CHECK(dlclose(cupti) == 0);
    CHECK(!(probe(NULL, NULL).flags & INFERSCOPE_GPU_LIBCUPTI));
    CHECK(dlclose(cuda) == 0);

    /* Descriptors: a device whose name merely begins the same, then the one that counts; a missing folder. */
    CHECK(!(probe(NULL, "/nonexistent").flags & INFERSCOPE_GPU_INITIALISED));
    char link[PATH_MAX];
    snprintf(link, sizeof(link), "%s/3", argv[2]);
    CHECK(symlink("/dev/nvidia-uvm-tools", link) == 0);
    CHECK(!(probe(NULL, argv[2]).flags & INFERSCOPE_GPU_INITIALISED));
    snprintf(link, sizeof(link), "%s/4", argv[2]);
    CHECK(symlink("/dev/nvidia-uvm", link) == 0);
    CHECK(probe(NULL, argv[2]).flags & INFERSCOPE_GPU_INITIALISED);

    pthread_t loader;
    CHECK(pthread_create(&loader, NULL, load_and_unload, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        presence = probe(NULL, NULL);
        CHECK(presence.cupti_version == 0 || presence.cupti_version == 130001);
    }
    CHECK(pthread_join(loader, NULL) == 0);
    return 0;
}
