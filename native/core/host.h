// One box: its carpdevs, its vhids, its demotion. Sans I/O: inputs come with the time, outputs are
// drained after each input in the order questions, interface changes, filters, transmits, events;
// then the driver sets its timer to poll_timeout(). The engine thread and the simulator drive the
// same object code.
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
#include "wire/balance.h"

namespace carp::core {

struct InterfaceChange {
  VhostId vhost = 0;
  bool up = false;
  // Down because a successor was heard: frames that are on their way here may still be taken for a
  // moment, so that none is lost. ARP is not answered any more in any case.
  bool graceful = false;
};

// The vhids of one carpdev that have one VIP, by index (spec 6.1): their order is that of
// balance_rank and then vhid, and those in any state count.
struct VipOwners {
  struct Member {
    VhostId vhost = kNoVhost;
    std::uint8_t vhid = 0;
    std::uint16_t rank = 0;
    std::uint64_t requests = 0;  // that selected this index and were seen
    std::uint64_t answers = 0;
  };
  wire::IpAddress address;
  std::vector<Member> members;
  wire::KeyedHash hash;  // of the first member's password
};

enum class DemotionResult : std::uint8_t { kOk, kTooManyReasons, kNoSuchGroup };

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

  // An Ethernet frame received on `carpdev`: IPv4 or IPv6 of protocol 112, ARP, or a neighbour
  // solicitation or advertisement.
  void handle_frame(Instant now, CarpdevId carpdev, std::span<const std::uint8_t> frame);
  void handle_link(Instant now, CarpdevId carpdev, const LinkState& link);
  // False if the vhid is in INIT and the action needs it to run.
  bool handle_admin(Instant now, VhostId id, AdminAction action);
  // Sets or (level 0) clears a reason of demotion, for the vhids of a group, or for all with "".
  DemotionResult handle_demotion(Instant now, std::string_view reason, std::int32_t level,
                                 std::string_view group = "");
  // `now`: of an alive question, when it was sent.
  void handle_send_result(Instant now, const Transmit& sent, SendResult result);
  void handle_interface_failure(Instant now, VhostId id);
  // Every vhid hands over and goes to INIT; done when idle().
  void handle_stop(Instant now);
  // Runs what is due. Calling it early or twice does nothing. `drained`: every frame that had
  // arrived by now has been handled. If not, no BACKUP takes over, for the advertisement that would
  // stop it may be waiting.
  void handle_timeout(Instant now, bool drained = true);

  // --- outputs -------------------------------------------------------------------------------

  // Questions that must not wait for anything; before poll_interface.
  bool poll_question(Transmit* out);
  bool poll_interface(InterfaceChange* out);
  // A carpdev whose socket filters must be made anew; asked after poll_interface.
  bool poll_filter(CarpdevId* out);
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
  // When a link that is up again will be used (HostOptions.link_up_delay).
  std::optional<Instant> link_up_at(CarpdevId id) const { return devs_[id]->up_at; }
  // "lan, dmz": the groups that a reason holds for; empty for all.
  std::size_t group_names(Demotion::Groups groups, std::span<char> out) const;
  // Sorted by address; what the filters of the carpdev's sockets are made of.
  std::span<const VipOwners> vips(CarpdevId id) const { return devs_[id]->vips; }
  BalanceHash balance_hash() const { return shared_.options.balance_hash; }
  // Several vhids have it, and arpbalance is on.
  bool is_balanced(const VipOwners& owners) const {
    return shared_.options.arpbalance && owners.members.size() > 1;
  }
  // Bit i: this host is MASTER of the member with index i. Only the first 32 members.
  std::uint32_t mastered(const VipOwners& owners) const;
  const CarpdevConfig& carpdev_config(CarpdevId id) const { return devs_[id]->config; }

 private:
  struct Carpdev {
    ReasonName name{};
    CarpdevConfig config;
    LinkState link;
    bool usable = false;           // link.usable(), and the delay is over
    bool seen = false;             // the first state of the link is known
    std::optional<Instant> up_at;  // when the link is used again
    bool filter_changed = false;   // who answers for a shared VIP has changed
    Counters<DevCounter> counters;
    std::array<VhostId, 256> by_vhid{};  // kNoVhost: none
    std::vector<VipOwners> vips;         // sorted by address
    std::uint16_t vhosts = 0;
    // Sending: three failures in a row demote, three successes in a row clear it (spec 4.7).
    std::uint8_t failures = 0;
    std::uint8_t successes = 0;
    bool send_failed = false;
    std::optional<Instant> probe_at;
    bool probe_pending = false;
  };

  void observe(Instant now);

  // host_neighbours.cc: who answers for a VIP
  void handle_arp(Instant now, CarpdevId id, std::span<const std::uint8_t> frame);
  void handle_neighbour(Instant now, CarpdevId id, std::span<const std::uint8_t> frame);
  void note_claim(Instant now, const VipOwners& owners, const wire::MacAddress& mac);
  void note_alive(CarpdevId id, const wire::IpAddress& who);
  VipOwners* find_vip(Carpdev& dev, const wire::IpAddress& address);
  VipOwners::Member* named_by(VipOwners& owners, const wire::MacAddress& mac) const;
  VipOwners::Member* first_forwarding(VipOwners& owners) const;
  Transmit* begin_answer(CarpdevId id, VipOwners::Member& member);
  void rebuild_vips(CarpdevId id);
  void tell_shared_vips(CarpdevId id);

  // host_demotion.cc
  Demotion::Groups group_bit(const GroupName& name);
  void demote(Instant now, std::string_view prefix, const Carpdev& dev, std::int32_t level);
  void update_link_demotion(Instant now, const Carpdev& dev);
  DemotionResult set_demotion(Instant now, std::string_view reason, std::int32_t level,
                              std::int32_t count, Demotion::Groups groups);
  Demotion::Groups used_groups() const;
  bool next_probe(CarpdevId id, Transmit* out);

  void handle_advertisement(Instant now, CarpdevId id, std::span<const std::uint8_t> frame);
  void reject(Instant now, CarpdevId id, const wire::Rejected& rejected);
  bool is_own(const Carpdev& dev, const wire::IpAddress& source) const;
  void use_link(Instant now, CarpdevId id, bool usable);
  void take_group_trigger(Instant now);
  Vhost* find(const Carpdev& dev, std::uint8_t vhid) const;

  template <typename F>
  void each_vhost(F f) const {
    for (const std::unique_ptr<Vhost>& v : vhosts_) {
      if (v) f(*v);
    }
  }

  Shared shared_;
  // Bit i of Demotion::Groups is the group of this name; unused ones are given away again.
  std::array<GroupName, kMaxGroups> groups_{};
  std::vector<std::unique_ptr<Carpdev>> devs_;
  std::vector<std::unique_ptr<Vhost>> vhosts_;
  std::size_t transmit_cursor_ = 0;
  std::optional<Instant> observed_;
  // Answers to ARP and neighbour solicitations; drained after every frame, so it never holds more
  // than a batch.
  static constexpr std::size_t kMaxReplies = 64;
  // How often a carpdev that refused frames is tried again.
  static constexpr Duration kProbeInterval = std::chrono::seconds{1};
  std::array<Transmit, kMaxReplies> replies_{};
  std::size_t reply_head_ = 0;
  std::size_t reply_count_ = 0;
};

}  // namespace carp::core
