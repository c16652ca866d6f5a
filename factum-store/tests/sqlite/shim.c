// Stands between a process and its files: writes down what it does to one folder, and makes syncs fail on demand.
//
// FACTUM_SHIM_FOLDER   the folder that is watched
// FACTUM_SHIM_TRACE    where each write, truncation, removal and sync is written down, in order
// FACTUM_SHIM_BROKEN   while this file exists, syncs of watched files fail as those of a broken disk do
//
// Built by the test that uses it, and loaded before the system's library.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;

typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off_t);
typedef int (*truncate_fn)(int, off_t);
typedef int (*sync_fn)(int);
typedef int (*unlink_fn)(const char *);

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void put(const void *bytes, size_t count) {
  write_fn real_write = (write_fn)real("write");
  const char *from = bytes;
  while (count > 0) {
    ssize_t done = real_write(trace, from, count);
    if (done <= 0) abort();
    from += done;
    count -= (size_t)done;
  }
}

// The name of a watched file, without the folder; NULL for any other. The index in shared memory is not on the disk.
static const char *watched_path(const char *path) {
  const char *folder = getenv("FACTUM_SHIM_FOLDER");
  if (folder == NULL) return NULL;
  size_t length = strlen(folder);
  if (strncmp(path, folder, length) != 0 || path[length] != '/') return NULL;
  const char *name = path + length + 1;
  size_t end = strlen(name);
  if (end > 4 && strcmp(name + end - 4, "-shm") == 0) return NULL;
  return name;
}

static const char *watched(int fd, char *buffer) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, buffer, PATH_MAX);
  if (length <= 0) return NULL;
  buffer[length] = 0;
  return watched_path(buffer);
}

static void note(char what, const char *name, long long at, const void *bytes, size_t count) {
  const char *path = getenv("FACTUM_SHIM_TRACE");
  if (path == NULL) return;
  if (trace < 0) trace = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (trace < 0) abort();
  char head[PATH_MAX + 64];
  int length = snprintf(head, sizeof head, "%c %s %lld %zu\n", what, name, at, count);
  put(head, (size_t)length);
  if (count > 0) put(bytes, count);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  char buffer[PATH_MAX + 1];
  write_fn real_write = (write_fn)real("write");
  const char *name = watched(fd, buffer);
  if (name == NULL) return real_write(fd, bytes, count);
  pthread_mutex_lock(&turn);
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t done = real_write(fd, bytes, count);
  if (done > 0) note('W', name, (long long)at, bytes, (size_t)done);
  pthread_mutex_unlock(&turn);
  return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
  char buffer[PATH_MAX + 1];
  pwrite_fn real_pwrite = (pwrite_fn)real("pwrite64");
  const char *name = watched(fd, buffer);
  if (name == NULL) return real_pwrite(fd, bytes, count, at);
  pthread_mutex_lock(&turn);
  ssize_t done = real_pwrite(fd, bytes, count, at);
  if (done > 0) note('W', name, (long long)at, bytes, (size_t)done);
  pthread_mutex_unlock(&turn);
  return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

int ftruncate64(int fd, off_t size) {
  char buffer[PATH_MAX + 1];
  truncate_fn real_truncate = (truncate_fn)real("ftruncate64");
  const char *name = watched(fd, buffer);
  if (name == NULL) return real_truncate(fd, size);
  pthread_mutex_lock(&turn);
  int done = real_truncate(fd, size);
  if (done == 0) note('T', name, (long long)size, NULL, 0);
  pthread_mutex_unlock(&turn);
  return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int sync_by(const char *how, int fd) {
  char buffer[PATH_MAX + 1];
  sync_fn real_sync = (sync_fn)real(how);
  const char *name = watched(fd, buffer);
  if (name == NULL) return real_sync(fd);
  pthread_mutex_lock(&turn);
  const char *broken = getenv("FACTUM_SHIM_BROKEN");
  int done;
  if (broken != NULL && access(broken, F_OK) == 0) {
    // The kernel drops what it could not write, and says so once; the pages look clean from then on.
    note('F', name, 0, NULL, 0);
    errno = EIO;
    done = -1;
  } else {
    done = real_sync(fd);
    if (done == 0) note('S', name, 0, NULL, 0);
  }
  pthread_mutex_unlock(&turn);
  return done;
}

int fsync(int fd) { return sync_by("fsync", fd); }

int fdatasync(int fd) { return sync_by("fdatasync", fd); }

int unlink(const char *path) {
  unlink_fn real_unlink = (unlink_fn)real("unlink");
  const char *name = watched_path(path);
  if (name == NULL) return real_unlink(path);
  pthread_mutex_lock(&turn);
  int done = real_unlink(path);
  if (done == 0) note('U', name, 0, NULL, 0);
  pthread_mutex_unlock(&turn);
  return done;
}
