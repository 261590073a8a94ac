/* A disk that fails, between a program and its C library: preloaded, it watches one folder's files and spoils calls.

   FAULTS_FOLDER  the folder, absolute; files outside of it are nobody's business
   FAULTS_RULES   what becomes of which calls, see shim_rules.h
   FAULTS_LIMIT   a file with a number: what makes the folder larger than so many bytes fails with ENOSPC
   FAULTS_TRACE   a file to which every call is appended, see trace.py
   FAULTS_MARKS   a file whose writes go into the trace as marks, wherever it lies

   One lock is held over each call and its record, and over an fsync from beginning to end: the trace is the order in
   which things were, and what it shows as flushed was written before the flush began. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim_rules.h"

/* In front of the name and the data of a record; little-endian, packed. */
typedef struct __attribute__((packed)) {
    uint8_t kind;
    uint8_t error; /* errno of the call; nothing was done then */
    uint16_t name_bytes;
    uint32_t data_bytes;
    uint64_t at_ns; /* CLOCK_MONOTONIC */
    uint64_t offset;
} record_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_bytes;
static char marks[PATH_MAX];
static char limit_file[PATH_MAX];
static int trace = -1;

/* --- The real calls --------------------------------------------------------------------------------------------- */

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fallocate)(int, off_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);

static void *find_real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) fail_setup("no such function", name);
    return found;
}

static void find_reals(void)
{
    if (real_unlink != NULL) return;
    real_open = find_real("open64");
    real_openat = find_real("openat64");
    real_write = find_real("write");
    real_pwrite = find_real("pwrite64");
    real_ftruncate = find_real("ftruncate64");
    real_fallocate = find_real("posix_fallocate64");
    real_fsync = find_real("fsync");
    real_fdatasync = find_real("fdatasync");
    real_rename = find_real("rename");
    real_unlink = find_real("unlink");
}

/* --- Setting up ------------------------------------------------------------------------------------------------- */

static void copy_variable(const char *name, char *target)
{
    const char *value = getenv(name);
    snprintf(target, PATH_MAX, "%s", value == NULL ? "" : value);
}

__attribute__((constructor)) static void set_up(void)
{
    find_reals();
    copy_variable("FAULTS_FOLDER", folder);
    copy_variable("FAULTS_MARKS", marks);
    copy_variable("FAULTS_LIMIT", limit_file);
    folder_bytes = strlen(folder);
    read_rules(getenv("FAULTS_RULES"));
    const char *path = getenv("FAULTS_TRACE");
    if (path != NULL) {
        trace = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (trace < 0) fail_setup("the trace can't be opened", path);
    }
}

/* --- Which file is it ------------------------------------------------------------------------------------------- */

/* Return the name inside the folder, "." for the folder itself, NULL for what is elsewhere. */
static const char *name_of_path(const char *path)
{
    if (folder_bytes == 0 || strncmp(path, folder, folder_bytes) != 0) return NULL;
    if (path[folder_bytes] == '\0') return ".";
    return path[folder_bytes] == '/' ? path + folder_bytes + 1 : NULL;
}

static int find_path(int descriptor, char *path)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static const char *name_of_descriptor(int descriptor, char *path)
{
    return folder_bytes != 0 && find_path(descriptor, path) ? name_of_path(path) : NULL;
}

/* --- Records ---------------------------------------------------------------------------------------------------- */

static void record(char kind, int error, const char *name, uint64_t offset, const void *data, size_t bytes)
{
    if (trace < 0) return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    record_t head = {
        .kind = (uint8_t)kind,
        .error = (uint8_t)error,
        .name_bytes = (uint16_t)strlen(name),
        .data_bytes = (uint32_t)bytes,
        .at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
        .offset = offset,
    };
    size_t total = sizeof head + head.name_bytes + bytes;
    char *whole = malloc(total);
    if (whole == NULL) fail_setup("no memory for", name);
    memcpy(whole, &head, sizeof head);
    memcpy(whole + sizeof head, name, head.name_bytes);
    if (bytes > 0) memcpy(whole + sizeof head + head.name_bytes, data, bytes);
    if (real_write(trace, whole, total) != (ssize_t)total) fail_setup("the trace can't be written", name);
    free(whole);
}

static void sleep_for(long milliseconds)
{
    struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    if (milliseconds > 0) nanosleep(&span, NULL);
}

static off_t folder_size(void)
{
    off_t total = 0;
    DIR *listing = opendir(folder);
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;) {
        struct stat found;
        if (fstatat(dirfd(listing), entry->d_name, &found, 0) == 0 && S_ISREG(found.st_mode)) total += found.st_size;
    }
    if (listing != NULL) closedir(listing);
    return total;
}

/* Return whether a file that reaches to `end` would be more than the folder may hold. */
static int is_too_much(int descriptor, off_t end)
{
    struct stat now;
    char text[32] = "";
    if (limit_file[0] == '\0' || fstat(descriptor, &now) != 0 || end <= now.st_size) return 0;
    int file = real_open(limit_file, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    return length > 0 && folder_size() + end - now.st_size > atol(text);
}

/* Begin a call that changes a file's bytes: under the lock, judged; return 0 to go on or the error. */
static effect_t begin_write(int descriptor, const char *name, off_t end)
{
    pthread_mutex_lock(&lock);
    effect_t effect = judge(ON_WRITE, name);
    if (effect.error == 0 && is_too_much(descriptor, end)) effect.error = ENOSPC;
    sleep_for(effect.sleep_ms);
    return effect;
}

static void end_call(effect_t effect, int error)
{
    if (effect.ends) die();
    pthread_mutex_unlock(&lock);
    errno = error;
}

/* --- The calls -------------------------------------------------------------------------------------------------- */

static ssize_t write_watched(int descriptor, const char *name, const void *data, size_t bytes, off_t offset, int moves)
{
    effect_t effect = begin_write(descriptor, name, offset + (off_t)bytes);
    ssize_t done = -1;
    if (effect.error == 0)
        done = effect.swallows ? (ssize_t)bytes
             : moves            ? real_write(descriptor, data, bytes)
                                : real_pwrite(descriptor, data, bytes, offset);
    int error = effect.error != 0 ? effect.error : done < 0 ? errno : 0;
    if (!effect.swallows) record('W', error, name, (uint64_t)offset, data, done < 0 ? 0 : (size_t)done);
    end_call(effect, error);
    return done;
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    find_reals();
    char path[PATH_MAX];
    const char *name = name_of_descriptor(descriptor, path);
    if (name != NULL) return write_watched(descriptor, name, data, bytes, lseek(descriptor, 0, SEEK_CUR), 1);
    if (marks[0] == '\0' || descriptor == trace || !find_path(descriptor, path) || strcmp(path, marks) != 0)
        return real_write(descriptor, data, bytes);
    pthread_mutex_lock(&lock);
    record('M', 0, "", 0, data, bytes);
    ssize_t done = real_write(descriptor, data, bytes);
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

ssize_t pwrite64(int descriptor, const void *data, size_t bytes, off_t offset)
{
    find_reals();
    char path[PATH_MAX];
    const char *name = name_of_descriptor(descriptor, path);
    if (name == NULL) return real_pwrite(descriptor, data, bytes, offset);
    return write_watched(descriptor, name, data, bytes, offset, 0);
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset)
{
    return pwrite64(descriptor, data, bytes, offset);
}

int ftruncate64(int descriptor, off_t length)
{
    find_reals();
    char path[PATH_MAX];
    const char *name = name_of_descriptor(descriptor, path);
    if (name == NULL) return real_ftruncate(descriptor, length);
    effect_t effect = begin_write(descriptor, name, length);
    int result = effect.error != 0 ? -1 : effect.swallows ? 0 : real_ftruncate(descriptor, length);
    int error = effect.error != 0 ? effect.error : result < 0 ? errno : 0;
    if (!effect.swallows) record('T', error, name, (uint64_t)length, NULL, 0);
    end_call(effect, error);
    return result;
}

int ftruncate(int descriptor, off_t length)
{
    return ftruncate64(descriptor, length);
}

/* Unlike the others it returns its error. */
int posix_fallocate64(int descriptor, off_t offset, off_t bytes)
{
    find_reals();
    char path[PATH_MAX];
    const char *name = name_of_descriptor(descriptor, path);
    if (name == NULL) return real_fallocate(descriptor, offset, bytes);
    effect_t effect = begin_write(descriptor, name, offset + bytes);
    int error = effect.error != 0 ? effect.error : effect.swallows ? 0 : real_fallocate(descriptor, offset, bytes);
    if (!effect.swallows) record('A', error, name, (uint64_t)(offset + bytes), NULL, 0);
    end_call(effect, 0);
    return error;
}

int posix_fallocate(int descriptor, off_t offset, off_t bytes)
{
    return posix_fallocate64(descriptor, offset, bytes);
}

static int sync_watched(int descriptor, const char *name, int (*real)(int))
{
    pthread_mutex_lock(&lock);
    effect_t effect = judge(ON_SYNC, name);
    sleep_for(effect.sleep_ms);
    int result = effect.error != 0 ? -1 : effect.swallows ? 0 : real(descriptor);
    int error = effect.error != 0 ? effect.error : result < 0 ? errno : 0;
    if (!effect.swallows) record('S', error, name, 0, NULL, 0);
    end_call(effect, error);
    return result;
}

int fsync(int descriptor)
{
    find_reals();
    char path[PATH_MAX];
    const char *name = name_of_descriptor(descriptor, path);
    return name == NULL ? real_fsync(descriptor) : sync_watched(descriptor, name, real_fsync);
}

int fdatasync(int descriptor)
{
    find_reals();
    char path[PATH_MAX];
    const char *name = name_of_descriptor(descriptor, path);
    return name == NULL ? real_fdatasync(descriptor) : sync_watched(descriptor, name, real_fdatasync);
}

int rename(const char *from, const char *to)
{
    find_reals();
    const char *old_name = name_of_path(from), *new_name = name_of_path(to);
    if (old_name == NULL || new_name == NULL) return real_rename(from, to);
    pthread_mutex_lock(&lock);
    effect_t effect = judge(ON_NAME, new_name);
    int result = effect.error != 0 ? -1 : real_rename(from, to);
    int error = effect.error != 0 ? effect.error : result < 0 ? errno : 0;
    record('R', error, old_name, 0, new_name, strlen(new_name));
    end_call(effect, error);
    return result;
}

int unlink(const char *path)
{
    find_reals();
    const char *name = name_of_path(path);
    if (name == NULL) return real_unlink(path);
    pthread_mutex_lock(&lock);
    effect_t effect = judge(ON_NAME, name);
    int result = effect.error != 0 ? -1 : real_unlink(path);
    int error = effect.error != 0 ? effect.error : result < 0 ? errno : 0;
    record('U', error, name, 0, NULL, 0);
    end_call(effect, error);
    return result;
}

/* Opening counts where it makes a name or empties a file. */
static int open_watched(int base, const char *path, const char *name, int flags, mode_t mode)
{
    struct stat before;
    pthread_mutex_lock(&lock);
    int was_there = fstatat(base, path, &before, 0) == 0;
    int descriptor = real_openat(base, path, flags, mode);
    int error = errno;
    if (descriptor >= 0 && !was_there) record('C', 0, name, 0, NULL, 0);
    if (descriptor >= 0 && was_there && (flags & O_TRUNC) && before.st_size > 0) record('T', 0, name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return descriptor;
}

static int open_any(int base, const char *path, int flags, mode_t mode)
{
    find_reals();
    const char *name = flags & (O_CREAT | O_TRUNC) ? name_of_path(path) : NULL;
    return name == NULL ? real_openat(base, path, flags, mode) : open_watched(base, path, name, flags, mode);
}

#define MODE_ARGUMENT(flags, mode)                 \
    mode_t mode = 0;                               \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list arguments;                         \
        va_start(arguments, flags);                \
        mode = (mode_t)va_arg(arguments, unsigned); \
        va_end(arguments);                         \
    }

int open64(const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags, mode)
    return open_any(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags, mode)
    return open_any(AT_FDCWD, path, flags, mode);
}

int openat64(int base, const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags, mode)
    return open_any(base, path, flags, mode);
}

int openat(int base, const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags, mode)
    return open_any(base, path, flags, mode);
}
