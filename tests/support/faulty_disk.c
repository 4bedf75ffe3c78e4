/* Preloaded before libc: what one process asks of its disk fails, or is not done, when a file says so.
 *
 * FAULTY_DISK_UNDER    only files whose path begins so
 * FAULTY_DISK_CONTROL  a file whose first letter is read at each call: 'e' fails with EIO, 'l' says
 *                      that it was done and does nothing, 'r' fails whatever writes with EROFS;
 *                      anything else, or no file: as usual
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char mode_of(int fd) {
  const char *under = getenv("FAULTY_DISK_UNDER");
  const char *control = getenv("FAULTY_DISK_CONTROL");
  char link[64], path[PATH_MAX], mode = 0;
  if (!under || !control) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (strncmp(path, under, strlen(under))) return 0;
  int file = open(control, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  if (read(file, &mode, 1) != 1) mode = 0;
  close(file);
  return mode;
}

static int synced(int fd, const char *name) {
  int before = errno;
  char mode = mode_of(fd);
  errno = before;
  if (mode == 'l') return 0;
  if (mode == 'e') {
    errno = EIO;
    return -1;
  }
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  return real(fd);
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

static int refused(int fd) {
  int before = errno;
  char mode = mode_of(fd);
  errno = mode == 'r' ? EROFS : before;
  return mode == 'r';
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  if (!real) real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  return refused(fd) ? -1 : real(fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  return pwrite64(fd, bytes, size, at);
}

int ftruncate64(int fd, off64_t size) {
  static int (*real)(int, off64_t);
  if (!real) real = (int (*)(int, off64_t))dlsym(RTLD_NEXT, "ftruncate64");
  return refused(fd) ? -1 : real(fd, size);
}
