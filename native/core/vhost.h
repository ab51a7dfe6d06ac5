// One virtual host: its state, its timers, and the judgement of advertisements (spec section 4).
//
// The only place that changes the state is become(), and every change has a cause. Invariants,
// asserted there: MASTER has advertisement_at_ and no master_down_at_, BACKUP the reverse, INIT
// neither.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/counters.h"
#include "core/peers.h"
#include "core/shared.h"
#include "core/transmit.h"
#include "wire/advertisement.h"
#include "wire/neighbour.h"

namespace carp::core {

class Vhost {
 public:
  Vhost(Shared* shared, VhostId id, CarpdevId carpdev) : shared_(shared), id_(id), dev_(carpdev) {}

  // --- configuration -------------------------------------------------------------------------

  // First or changed configuration. A change keeps the state: advskew, passwords and VIPs are
  // taken in place (FreeBSD restarts the vhid when an address is added; trap 22, spec 4.2).
  void configure(Instant now, const VhostConfig& config);
  // MAC and own addresses of the carpdev, from which the source of advertisements is chosen.
  void set_device(const CarpdevConfig& device);
  // The bit of its group in the reasons of demotion.
  void set_group(Demotion::Groups bit) { group_ = bit; }
  // The VIPs that other vhids of this host's carpdev have as well: they are not announced, because
  // an announcement would pull every client to one host (spec 6.1).
  void set_shared_vips(std::vector<wire::IpAddress> vips) { shared_vips_ = std::move(vips); }
  // The engine's virtual interface exists and can be switched; before that the vhid is in INIT.
  void set_ready(Instant now, bool ready);
  void remove(Instant now);

  // --- inputs --------------------------------------------------------------------------------

  // Judges a well-formed advertisement for this vhid. Returns false if it was not even addressed
  // to us (badif).
  bool handle_advertisement(Instant now, const wire::ReceivedAdvertisement& received);
  void handle_link(Instant now, bool usable);
  void handle_up(Instant now);
  void handle_down(Instant now);
  void handle_master(Instant now);
  void handle_backup(Instant now);
  void handle_stop(Instant now);
  void handle_demotion_change(Instant now);
  // The master of another vhid of the group is demoted. If this vhid would take over from a demoted
  // master too, it asks on its own segment whether its master is alive, and takes over if nobody
  // answers: see group_takeover.cc.
  void begin_group_takeover(Instant now, const wire::IpAddress& demoted);
  // `who` answered on this carpdev.
  void note_alive(const wire::IpAddress& who);
  void handle_timeout(Instant now);
  // Steps down silently when our own advertisements came so late that a peer may have taken over.
  void check_stall(Instant now);
  // The virtual interface could not be switched on.
  void handle_interface_failure(Instant now);
  void raise(Instant now, Alarm alarm, const wire::IpAddress* peer);

  // --- outputs -------------------------------------------------------------------------------

  std::optional<Instant> deadline() const;
  bool next_transmit(Transmit* out);
  // The question of a group take-over: it is sent before anything that takes time, because the
  // answer is waited for only a few milliseconds.
  bool next_alive_question(Transmit* out);
  void note_sent(Instant now, const Transmit& sent, SendResult result);
  // True once after the wanted state of the virtual interface changed. `graceful`: down because a
  // successor was heard, so that frames on their way to us may still be taken for a moment.
  bool take_interface_change(bool* up, bool* graceful);
  // True once a removed vhost has let go.
  bool removing() const { return removing_; }
  bool released() const { return removing_ && idle(); }
  bool idle() const { return state_ == VhostState::kInit && !question_again_at_; }

  // --- what can be seen ----------------------------------------------------------------------

  const VhostConfig& config() const { return config_; }
  VhostId id() const { return id_; }
  CarpdevId carpdev() const { return dev_; }
  VhostState state() const { return state_; }
  Cause cause() const { return cause_; }
  Instant since() const { return since_; }
  bool handing_over() const { return handover_until_.has_value(); }
  // Administratively up and not about to go.
  bool enabled() const { return admin_up_ && !removing_; }
  // Answers ARP and has its VIPs installed.
  bool forwarding() const { return state_ == VhostState::kMaster; }
  std::uint8_t effective_advskew() const;
  std::uint8_t demotion_octet() const;
  Demotion::Groups group() const { return group_; }
  std::int32_t demotion() const { return shared_->demotion.total(group_); }
  bool following_group() const { return takeover_at_.has_value(); }
  std::optional<Instant> advertisement_at() const { return advertisement_at_; }
  std::optional<Instant> master_down_at() const { return master_down_at_; }
  // The host whose advertisements this BACKUP follows.
  const Peer* master() const;
  std::span<const Peer> peers() const { return peers_.all(); }
  std::uint64_t counter() const { return counter_; }
  std::uint32_t transitions() const { return transitions_; }
  wire::MacAddress mac() const;
  wire::IpAddress source(wire::Family family) const;
  bool has_family(wire::Family family) const;
  bool owns(const wire::IpAddress& address) const;
  const Counters<VhostCounter>& counters() const { return counters_; }
  Duration interval() const { return interval_of(config_.advbase_s, effective_advskew()); }

 private:
  enum class Verdict : std::uint8_t { kStay, kYield, kPromote };
  struct Judgement {
    Verdict verdict = Verdict::kStay;
    Cause cause = Cause::kNone;
  };

  // What is being sent, one packet a family or unicast peer.
  enum class Round : std::uint8_t {
    kNone,
    kAdvertisement,
    kFarewell,
    kLastWord,  // to a UCarp winner, when yielding, from the physical MAC
  };

  void become(Instant now, VhostState to, Cause cause, const wire::IpAddress* peer);
  void start(Instant now, Cause cause);
  void promote(Instant now, Cause cause, const wire::IpAddress* peer);
  void step_down(Instant now, Cause cause, const wire::IpAddress* peer);
  void go_init(Instant now, Cause cause);
  void let_go_to(Instant now, VhostState target, Cause cause);
  void finish_handover(Instant now, HandoverPhase phase, const wire::IpAddress* peer);
  void cancel_handover(Instant now);
  void report_handover(Instant now, HandoverPhase phase, const wire::IpAddress* peer);

  bool check(Instant now, const wire::ReceivedAdvertisement& received);
  void learn_counter(Instant now, std::uint64_t heard);
  Judgement judge_as_master(Instant now, const wire::ReceivedAdvertisement& received);
  Judgement judge_as_backup(const wire::Advertisement& heard) const;
  bool ipv4_may_decide(Instant now);
  Judgement judge_tie(Instant now, const wire::ReceivedAdvertisement& received);
  void act_as_master(Instant now, const wire::ReceivedAdvertisement& received);
  void act_as_backup(Instant now, const wire::ReceivedAdvertisement& received);
  void note_second_master(Instant now, const wire::IpAddress& peer);

  void begin_round(Round round);
  void advertise_now(Instant now);
  void announce();
  void note_changes(Instant now, const VhostConfig& before);
  void note_own_counter();
  bool next_advertisement(Transmit* out);
  bool next_announcement(Transmit* out);
  void ask_for_successor(Instant now);
  bool next_question(Transmit* out);
  void write_question(Transmit* out, const wire::IpAddress& from, const wire::IpAddress& wanted,
                      const wire::MacAddress& target_mac) const;
  bool is_shared(const wire::IpAddress& vip) const;
  void note_group_trigger(const wire::ReceivedAdvertisement& received);
  void end_group_takeover();
  void note_asked(Instant now, SendResult result);
  bool is_on_link(const wire::IpAddress& address) const;
  std::optional<Instant> question_deadline() const;
  bool target(std::size_t index, wire::IpAddress* destination) const;
  bool write_advertisement(Transmit* out, const wire::IpAddress& destination);
  wire::IpAddress source_towards(const wire::IpAddress& destination) const;
  bool may_run() const {
    return admin_up_ && ready_ && usable_ && !stopping_ && !removing_ && !config_.vips.empty();
  }
  std::int32_t own_demotion() const;
  bool is_demoted(const wire::Advertisement& heard) const;

  Shared* shared_;
  VhostId id_;
  CarpdevId dev_;
  VhostConfig config_;
  CarpdevConfig device_;
  Demotion::Groups group_ = 0;  // none until set_group()
  std::vector<wire::IpAddress> shared_vips_;
  wire::Authenticator authenticator_;
  wire::Authenticator previous_authenticator_;  // before the last change of password or VIPs
  std::optional<Instant> previous_until_;

  VhostState state_ = VhostState::kInit;
  Cause cause_ = Cause::kNone;
  Instant since_;
  std::uint32_t transitions_ = 0;
  bool configured_ = false;
  bool admin_up_ = true;
  bool ready_ = false;
  bool usable_ = false;
  bool stopping_ = false;
  bool removing_ = false;

  std::optional<Instant> advertisement_at_;
  std::optional<Instant> master_down_at_;
  std::optional<Instant> handover_until_;
  std::optional<Instant> farewell_at_;
  VhostState handover_target_ = VhostState::kBackup;
  Cause handover_cause_ = Cause::kNone;

  Round round_ = Round::kNone;
  std::size_t round_cursor_ = 0;
  bool scheduled_ = false;  // the round is a periodic one and due_ the time that was meant
  Instant due_;
  bool announce_pending_ = false;
  bool question_pending_ = false;  // see next_question()
  std::optional<Instant> question_again_at_;
  std::optional<Instant> takeover_at_;  // with the group, unless the master answers before
  std::optional<Instant> alive_again_at_;
  bool alive_question_pending_ = false;
  wire::IpAddress takeover_peer_;  // the demoted host that it follows from
  bool graceful_ = false;          // the last reign ended with a successor heard
  std::size_t announce_cursor_ = 0;
  std::uint8_t announcements_left_ = 0;
  bool interface_changed_ = false;

  std::uint64_t counter_ = 0;
  std::uint64_t advertisements_ = 0;  // advertisement rounds begun
  PeerTable peers_;
  std::optional<wire::IpAddress> master_;
  std::optional<Instant> last_ipv4_;  // when an IPv4 advertisement was heard
  // Since when, and when last, a MASTER of equal interval was heard by IPv6 on a dual-stack vhid.
  std::optional<Instant> ipv6_tie_since_;
  Instant ipv6_tie_last_;
  std::optional<wire::IpAddress> tie_peer_;
  std::uint64_t tie_round_ = 0;
  Instant tie_last_;
  std::optional<Instant> reannounced_;
  std::array<std::optional<Instant>, kAlarmNames.size()> alarm_at_{};
  std::array<std::uint32_t, kAlarmNames.size()> alarm_count_{};
  Counters<VhostCounter> counters_;
};

}  // namespace carp::core
