#include "sys/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "sys/fd.h"

namespace carp::sys {

Status notify_manager(std::string_view socket_path, std::string_view message) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.empty() || (socket_path[0] != '/' && socket_path[0] != '@') ||
      socket_path.size() >= sizeof address.sun_path) {
    return Status::failure("notify", socket_path, EINVAL);
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  if (socket_path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_path.size());
  const Fd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd.valid()) return Status::failure("socket AF_UNIX", socket_path, errno);
  if (::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), length) < 0) {
    return Status::failure("notify", socket_path, errno);
  }
  return Status::success();
}

Status peer_credentials(int fd, PeerCredentials* out) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return Status::failure("SO_PEERCRED", "", errno);
  }
  *out = PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
  return Status::success();
}

}  // namespace carp::sys
