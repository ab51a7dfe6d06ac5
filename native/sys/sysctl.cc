#include "sys/sysctl.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "sys/fd.h"

namespace carp::sys {
namespace {

constexpr std::size_t kValueMax = 255;
constexpr std::size_t kJournalMax = 1 << 20;

/// Refuses anything that could leave /proc/sys: the path may come from a journal file.
bool is_plain_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\n') != path.npos ||
      path.find('\t') != path.npos || path.find('\0') != path.npos) {
    return false;
  }
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

std::string full_path(std::string_view path) { return "/proc/sys/" + std::string{path}; }

/// The settings of an interface that is gone.
bool has_vanished(int error) { return error == ENOENT || error == ENODEV; }

Status read_file(const std::string& path, std::size_t limit, std::string* out) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd.valid()) return Status::failure("open", path, errno);
  out->clear();
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Status::failure("read", path, errno);
    if (got == 0) return Status::success();
    out->append(buffer, static_cast<std::size_t>(got));
    if (out->size() > limit) return Status::failure("read", path, EFBIG);
  }
}

Status sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const Fd fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd.valid()) return Status::failure("open", directory, errno);
  if (::fsync(fd.get()) != 0) return Status::failure("fsync", directory, errno);
  return Status::success();
}

Status replace_file(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".new";
  Fd fd{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd.valid()) return Status::failure("open", temporary, errno);
  while (!content.empty()) {
    const ssize_t put = ::write(fd.get(), content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Status::failure("write", temporary, errno);
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(fd.get()) != 0) return Status::failure("fsync", temporary, errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return Status::failure("rename", path, errno);
  return sync_directory_of(path);
}

/// The part up to the next `separator`, taken off the front of `rest`.
std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

}  // namespace

Status read_sysctl(std::string_view path, std::string* value) {
  if (!is_plain_path(path)) return Status::failure("sysctl", path, EINVAL);
  if (Status status = read_file(full_path(path), kValueMax, value); !status.ok()) {
    return Status::failure("sysctl", path, status.error);
  }
  while (!value->empty() && value->back() == '\n') value->pop_back();
  return Status::success();
}

Status write_sysctl(std::string_view path, std::string_view value) {
  if (!is_plain_path(path)) return Status::failure("sysctl", path, EINVAL);
  const Fd fd{::open(full_path(path).c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd.valid()) return Status::failure("sysctl", path, errno);
  const std::string line = std::string{value} + "\n";
  // In one write: the kernel takes each write as a new value.
  if (::write(fd.get(), line.data(), line.size()) < 0) {
    return Status::failure("sysctl", path, errno);
  }
  return Status::success();
}

Status restore_sysctl(std::string_view path, std::string_view ours, std::string_view original) {
  std::string current;
  if (Status status = read_sysctl(path, &current); !status.ok()) {
    return has_vanished(status.error) ? Status::success() : status;
  }
  if (current != ours) return Status::success();
  Status status = write_sysctl(path, original);
  return has_vanished(status.error) ? Status::success() : status;
}

Status SysctlKeeper::load_journal() {
  if (journal_path_.empty()) return Status::success();
  std::string content;
  if (Status status = read_file(journal_path_, kJournalMax, &content); !status.ok()) {
    return status.error == ENOENT ? Status::success() : status;
  }
  Status first = Status::success();
  std::string_view rest = content;
  while (!rest.empty()) {
    std::string_view line = cut(rest, '\n');
    const std::string_view path = cut(line, '\t');
    const std::string_view ours = cut(line, '\t');
    // A tab may stand inside a value (net.ipv4.tcp_rmem), but not in the interface settings that
    // are kept here.
    const std::string_view original = line;
    if (!is_plain_path(path) || ours.empty() || original.empty()) continue;
    Status status = restore_sysctl(path, ours, original);
    if (!status.ok() && first.ok()) first = status;
  }
  if (!first.ok()) return first;
  if (::unlink(journal_path_.c_str()) != 0) return Status::failure("unlink", journal_path_, errno);
  return Status::success();
}

Status SysctlKeeper::set(std::string_view path, std::string_view value) {
  std::string current;
  if (Status status = read_sysctl(path, &current); !status.ok()) return status;
  const auto known = std::find_if(changes_.begin(), changes_.end(),
                                  [&](const SysctlChange& change) { return change.path == path; });
  if (known == changes_.end()) {
    if (current == value) return Status::success();
    changes_.push_back({std::string{path}, current, std::string{value}});
  } else {
    if (known->ours == value && current == value) return Status::success();
    known->ours = value;
  }
  // A crash between the two leaves a journal that says more than was done; restoring compares, so
  // it does no harm.
  if (Status status = write_journal(); !status.ok()) return status;
  if (janitor_ != nullptr) {
    const auto& change = *std::find_if(changes_.begin(), changes_.end(),
                                       [&](const SysctlChange& c) { return c.path == path; });
    // A dead janitor is noticed and replaced by its owner (alive()); that is no reason not to go
    // on.
    static_cast<void>(janitor_->record_sysctl(change.path, change.ours, change.original));
  }
  return write_sysctl(path, value);
}

Status SysctlKeeper::restore(std::string_view path) {
  const auto known = std::find_if(changes_.begin(), changes_.end(),
                                  [&](const SysctlChange& change) { return change.path == path; });
  if (known == changes_.end()) return Status::success();
  Status status = restore_sysctl(known->path, known->ours, known->original);
  if (janitor_ != nullptr) static_cast<void>(janitor_->forget_sysctl(known->path));
  changes_.erase(known);
  Status written = write_journal();
  return status.ok() ? written : status;
}

Status SysctlKeeper::restore_all() {
  Status first = Status::success();
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    Status status = restore_sysctl(change->path, change->ours, change->original);
    if (!status.ok() && first.ok()) first = status;
    if (janitor_ != nullptr) static_cast<void>(janitor_->forget_sysctl(change->path));
  }
  changes_.clear();
  Status written = write_journal();
  return first.ok() ? written : first;
}

Status SysctlKeeper::record_all() const {
  if (janitor_ == nullptr) return Status::success();
  for (const SysctlChange& change : changes_) {
    Status status = janitor_->record_sysctl(change.path, change.ours, change.original);
    if (!status.ok()) return status;
  }
  return Status::success();
}

Status SysctlKeeper::write_journal() const {
  if (journal_path_.empty()) return Status::success();
  if (changes_.empty()) {
    if (::unlink(journal_path_.c_str()) != 0 && errno != ENOENT) {
      return Status::failure("unlink", journal_path_, errno);
    }
    return Status::success();
  }
  std::string content;
  for (const SysctlChange& change : changes_) {
    content += change.path + '\t' + change.ours + '\t' + change.original + '\n';
  }
  return replace_file(journal_path_, content);
}

}  // namespace carp::sys
