// One box: its carpdevs, its vhids, its demotion. Sans I/O: inputs come with the time, outputs are
// drained after each input in the order interface changes, transmits, events; then the driver sets
// its timer to poll_timeout(). The engine thread and the simulator drive the same object code.
//
// Nothing here reads a clock, makes a system call, logs, or allocates after the configuration
// calls (add_*, configure_*).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/counters.h"
#include "core/shared.h"
#include "core/transmit.h"
#include "core/vhost.h"

namespace carp::core {

struct InterfaceChange {
  VhostId vhost = 0;
  bool up = false;
  // Down because a successor was heard: frames that are on their way here may still be taken for a
  // moment, so that none is lost. ARP is not answered any more in any case.
  bool graceful = false;
};

enum class AdminAction : std::uint8_t { kUp, kDown, kMaster, kBackup };

class Host {
 public:
  Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // --- configuration (may allocate) ----------------------------------------------------------

  void configure_options(Instant now, const HostOptions& options);
  // `name` is used in demotion reasons (link:eth1). Ids are small numbers, reused after removal.
  CarpdevId add_carpdev(std::string_view name);
  void configure_carpdev(CarpdevId id, const CarpdevConfig& config);
  void remove_carpdev(Instant now, CarpdevId id);  // only when no vhost is left on it
  VhostId add_vhost(Instant now, CarpdevId carpdev, const VhostConfig& config);
  void configure_vhost(Instant now, VhostId id, const VhostConfig& config);
  // A MASTER hands over first; the id is free once poll_released() has given it.
  void remove_vhost(Instant now, VhostId id);
  void set_ready(Instant now, VhostId id, bool ready);

  // --- inputs --------------------------------------------------------------------------------

  // An Ethernet frame received on `carpdev`: IPv4 or IPv6 of protocol 112, or ARP.
  void handle_frame(Instant now, CarpdevId carpdev, std::span<const std::uint8_t> frame);
  void handle_link(Instant now, CarpdevId carpdev, const LinkState& link);
  // False if the vhid is in INIT and the action needs it to run.
  bool handle_admin(Instant now, VhostId id, AdminAction action);
  // Sets or (level 0) clears a reason of demotion. False when the table of reasons is full.
  bool handle_demotion(Instant now, std::string_view reason, std::int32_t level);
  void handle_send_result(Instant now, const Transmit& sent, SendResult result);
  void handle_interface_failure(Instant now, VhostId id);
  // Every vhid hands over and goes to INIT; done when idle().
  void handle_stop(Instant now);
  // Runs what is due. Calling it early or twice does nothing. `drained`: every frame that had
  // arrived by now has been handled. If not, no BACKUP takes over, for the advertisement that would
  // stop it may be waiting.
  void handle_timeout(Instant now, bool drained = true);

  // --- outputs -------------------------------------------------------------------------------

  bool poll_interface(InterfaceChange* out);
  bool poll_transmit(Transmit* out);
  bool poll_event(Event* out);
  // Drained last: everything that a removed vhost still had to send has been given out before.
  bool poll_released(VhostId* out);
  std::optional<Instant> poll_timeout() const;
  bool idle() const;

  // --- what can be seen ----------------------------------------------------------------------

  const Vhost* vhost(VhostId id) const { return id < vhosts_.size() ? vhosts_[id].get() : nullptr; }
  std::size_t vhost_slots() const { return vhosts_.size(); }
  std::span<const Demotion::Reason> demotion_reasons() const { return shared_.demotion.reasons(); }
  std::int32_t demotion_total() const { return shared_.demotion.total(); }
  const Counters<DevCounter>& carpdev_counters(CarpdevId id) const { return devs_[id]->counters; }
  const LinkState& link(CarpdevId id) const { return devs_[id]->link; }
  const CarpdevConfig& carpdev_config(CarpdevId id) const { return devs_[id]->config; }

 private:
  struct Vip4 {
    wire::Ipv4Address address;
    VhostId vhost;
    auto operator<=>(const Vip4&) const = default;
  };
  struct Carpdev {
    ReasonName name{};
    CarpdevConfig config;
    LinkState link;
    Counters<DevCounter> counters;
    std::array<VhostId, 256> by_vhid{};  // kNoVhost: none
    std::vector<Vip4> vips;              // sorted, for ARP
    std::uint16_t vhosts = 0;
    // Sending: three failures in a row demote, three successes in a row clear it (spec 4.7).
    std::uint8_t failures = 0;
    std::uint8_t successes = 0;
    bool send_failed = false;
    std::optional<Instant> probe_at;
    bool probe_pending = false;
  };

  void observe(Instant now);
  void handle_arp(Instant now, CarpdevId id, std::span<const std::uint8_t> frame);
  void handle_advertisement(Instant now, CarpdevId id, std::span<const std::uint8_t> frame);
  void reject(Instant now, CarpdevId id, const wire::Rejected& rejected);
  bool is_own(const Carpdev& dev, const wire::IpAddress& source) const;
  void demote(Instant now, std::string_view prefix, const Carpdev& dev, std::int32_t level);
  void update_link_demotion(Instant now, const Carpdev& dev);
  void rebuild_vips(CarpdevId id);
  bool next_probe(CarpdevId id, Transmit* out);
  Vhost* find(const Carpdev& dev, std::uint8_t vhid) const;

  template <typename F>
  void each_vhost(F f) const {
    for (const std::unique_ptr<Vhost>& v : vhosts_) {
      if (v) f(*v);
    }
  }

  Shared shared_;
  std::vector<std::unique_ptr<Carpdev>> devs_;
  std::vector<std::unique_ptr<Vhost>> vhosts_;
  std::size_t transmit_cursor_ = 0;
  std::optional<Instant> observed_;
  // Answers to ARP; drained after every frame, so it never holds more than a batch.
  static constexpr std::size_t kMaxReplies = 64;
  std::array<Transmit, kMaxReplies> replies_{};
  std::size_t reply_head_ = 0;
  std::size_t reply_count_ = 0;
};

}  // namespace carp::core
