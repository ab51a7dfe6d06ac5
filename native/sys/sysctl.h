// Kernel settings under /proc/sys: changed, remembered and put back. Engine thread; read_sysctl and
// write_sysctl any.
//
// Paths are relative to /proc/sys with '/' between parts ("net/ipv4/conf/eth1.5/arp_ignore"):
// interface names may hold dots.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/janitor_client.h"
#include "sys/status.h"

namespace carp::sys {

/// Without the final line feed.
Status read_sysctl(std::string_view path, std::string* value);
Status write_sysctl(std::string_view path, std::string_view value);

/// Puts back `original` if the setting still holds `ours`: whoever changed it since is not
/// overruled. A setting whose interface has vanished is a success.
Status restore_sysctl(std::string_view path, std::string_view ours, std::string_view original);

struct SysctlChange {
  std::string path;
  std::string original;
  std::string ours;
};

class SysctlKeeper {
 public:
  /// `journal_path`: a file that survives this process, in a directory on which rename() is atomic.
  /// Empty: no journal. `janitor`, if not null, is told of each change and outlives this object.
  explicit SysctlKeeper(std::string journal_path, JanitorClient* janitor = nullptr)
      : journal_path_(std::move(journal_path)), janitor_(janitor) {}

  /// Puts back what a killed predecessor left changed, and removes its journal. Call once, before
  /// the first set(). No journal is a success. Lines that are damaged are skipped.
  Status load_journal();

  /// Sets `path`. The value before the first set() is what restore_all() puts back; it is in the
  /// journal before the setting changes. Nothing is done if the setting has the value already.
  /// ENOENT: the interface or the setting does not exist.
  Status set(std::string_view path, std::string_view value);

  /// Puts back one setting and forgets it.
  Status restore(std::string_view path);

  /// Puts back everything, newest first, and removes the journal. Returns the first failure but
  /// tries all.
  Status restore_all();

  /// Tells a new janitor everything again.
  Status record_all() const;

  const std::vector<SysctlChange>& changes() const { return changes_; }

 private:
  Status write_journal() const;

  std::string journal_path_;
  JanitorClient* janitor_;
  std::vector<SysctlChange> changes_;
};

}  // namespace carp::sys
