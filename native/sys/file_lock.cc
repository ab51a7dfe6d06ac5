#include "sys/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <charconv>
#include <cstdio>

namespace carp::sys {

Status FileLock::acquire(const std::string& path) {
  // NOFOLLOW: a run directory may be writable by a group, and the file is truncated below.
  Fd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!fd.valid()) return Status::failure("open", path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return Status::failure("flock", path, errno);
  char text[16];
  const int length = std::snprintf(text, sizeof text, "%d\n", static_cast<int>(::getpid()));
  if (::ftruncate(fd.get(), 0) != 0) return Status::failure("ftruncate", path, errno);
  if (::pwrite(fd.get(), text, static_cast<std::size_t>(length), 0) != length) {
    return Status::failure("write", path, errno);
  }
  fd_ = std::move(fd);
  return Status::success();
}

pid_t FileLock::holder(const std::string& path) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd.valid()) return 0;
  char text[16] = {};
  const ssize_t got = ::read(fd.get(), text, sizeof text - 1);
  pid_t pid = 0;
  if (got <= 0 || std::from_chars(text, text + got, pid).ec != std::errc{} || pid < 0) return 0;
  return pid;
}

}  // namespace carp::sys
