// Talking to the service manager (sd_notify(3)) and knowing who is at the other end of a socket.
// Any thread.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "sys/status.h"

namespace carp::sys {

/// Sends `message` ("READY=1\nSTATUS=...") to `socket_path`, the value of NOTIFY_SOCKET: a path, or
/// a name in the abstract name space after '@'. Never blocks.
Status notify_manager(std::string_view socket_path, std::string_view message);

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Who connected to a Unix socket (SO_PEERCRED: as it was at connect()).
Status peer_credentials(int fd, PeerCredentials* out);

}  // namespace carp::sys
