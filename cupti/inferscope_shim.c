#define _GNU_SOURCE

#include "inferscope_shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static const char memory_device[] = "/dev/nvidia-uvm";

struct search {
    struct inferscope_gpu_presence *presence;
    const char *injection_name;
};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Whether name is the shared library stem in any version: "libcuda.so", "libcuda.so.1", but not "libcudart.so". */
static int is_library(const char *name, const char *stem) {
    size_t length = strlen(stem);
    return strncmp(name, stem, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

static void copy_path(char *to, const char *from) {
    size_t length = strnlen(from, INFERSCOPE_PATH_SIZE - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* Runs under the loader's lock: it only compares and copies. */
static int visit_library(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    struct search *search = data;
    if (info->dlpi_name == NULL || info->dlpi_name[0] == '\0') {
        return 0;
    }
    const char *name = base_name(info->dlpi_name);
    if (is_library(name, "libcuda.so")) {
        search->presence->flags |= INFERSCOPE_GPU_LIBCUDA;
        copy_path(search->presence->libcuda, info->dlpi_name);
    } else if (is_library(name, "libcudart.so")) {
        search->presence->flags |= INFERSCOPE_GPU_LIBCUDART;
    } else if (is_library(name, "libcupti.so")) {
        search->presence->flags |= INFERSCOPE_GPU_LIBCUPTI;
        copy_path(search->presence->libcupti, info->dlpi_name);
    }
    if (search->injection_name != NULL && strcmp(name, search->injection_name) == 0) {
        search->presence->flags |= INFERSCOPE_GPU_INJECTION;
    }
    return 0;
}

/* The version of a libcupti that is mapped already: RTLD_NOLOAD finds it also where it was loaded with RTLD_LOCAL. */
static uint32_t cupti_version(const char *path) {
    void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL) {
        return 0;
    }
    uint32_t version = 0;
    int (*get_version)(uint32_t *) = NULL;
    void *symbol = dlsym(library, "cuptiGetVersion");
    _Static_assert(sizeof(get_version) == sizeof(symbol), "POSIX: a function fits in a pointer");
    memcpy(&get_version, &symbol, sizeof(symbol));
    if (get_version != NULL && get_version(&version) != 0) {
        version = 0;
    }
    dlclose(library);
    return version;
}

static int has_memory_device_open(const char *directory) {
    DIR *descriptors = opendir(directory);
    if (descriptors == NULL) {
        return 0;
    }
    int found = 0;
    const struct dirent *entry;
    while (!found && (entry = readdir(descriptors)) != NULL) {
        /* One byte more than the name, so that a longer one does not look the same. */
        char target[sizeof(memory_device)];
        ssize_t length = readlinkat(dirfd(descriptors), entry->d_name, target, sizeof(target));
        found = length == (ssize_t)sizeof(memory_device) - 1 && memcmp(target, memory_device, (size_t)length) == 0;
    }
    closedir(descriptors);
    return found;
}

EXPORTED uint32_t inferscope_shim_version(void) { return INFERSCOPE_SHIM_VERSION; }

EXPORTED int inferscope_gpu_probe(struct inferscope_gpu_presence *presence, const char *injection,
                                  const char *fd_directory) {
    if (presence == NULL) {
        return -1;
    }
    memset(presence, 0, sizeof(*presence));
    struct search search = {.presence = presence, .injection_name = NULL};
    if (injection != NULL && injection[0] != '\0') {
        search.injection_name = base_name(injection);
    }
    dl_iterate_phdr(visit_library, &search);
    if (presence->flags & INFERSCOPE_GPU_LIBCUPTI) {
        presence->cupti_version = cupti_version(presence->libcupti);
    }
    if (has_memory_device_open(fd_directory != NULL ? fd_directory : "/proc/self/fd")) {
        presence->flags |= INFERSCOPE_GPU_INITIALISED;
    }
    return 0;
}
