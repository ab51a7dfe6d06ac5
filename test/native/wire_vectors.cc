// The captures of real stacks (test/vectors): every digest verifies, every deliberate error is
// refused for its reason, and what we build from the same fields is the same octets.
#include <cstdio>

#include "check.h"
#include "wire_pcap.h"
#include "wire_support.h"

namespace carp::test {
namespace {

struct CaptureVhost {
  std::uint8_t vhid;
  const char* password;
  std::vector<std::string> addresses;
  int verified;
};

struct Deliberate {
  int frame;  // from 1, as tshark counts
  std::vector<std::string> oddities;
};

struct Capture {
  const char* file;
  int adverts;
  std::vector<CaptureVhost> vhosts;
  std::vector<Deliberate> deliberate;
};

const std::vector<Capture>& captures() {
  static const std::vector<Capture> all{
#include "captures.inc"
  };
  return all;
}

bool has_protocol_112(const Octets& frame) {
  if (frame.size() < 34) return false;
  if (frame[12] == 0x08 && frame[13] == 0x00) return frame[23] == 112;
  return frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 112;
}

bool is_odd(const Deliberate* odd, const char* what) {
  if (odd == nullptr) return false;
  for (const std::string& oddity : odd->oddities) {
    if (oddity == what) return true;
  }
  return false;
}

// What an implementation chooses for itself: DSCP, IPv4 identification, and what follows from them.
void normalise(Octets& frame) {
  if (frame[12] == 0x08) {
    frame[15] = 0;
    frame[18] = frame[19] = 0;
    frame[24] = frame[25] = 0;
  } else {
    frame[14] = 0x60;
    frame[15] = static_cast<std::uint8_t>(frame[15] & 0x0f);
  }
}

// Our frame from the fields of theirs; the digest is computed, not copied.
Octets rebuild(const wire::ReceivedAdvertisement& theirs, const Octets& captured,
               const wire::Authenticator& ours) {
  wire::Advertisement advertisement = theirs.advertisement;
  advertisement.digest = ours.sign(advertisement.counter);
  Octets out(wire::kEthernetHeader + wire::kIpv6Header + wire::kCarpHeader);
  wire::MacAddress destination;
  std::copy(captured.begin(), captured.begin() + 6, destination.octets.begin());
  const auto packet = std::span(out).subspan(wire::kEthernetHeader);
  std::size_t size = 0;
  if (theirs.source.family == wire::Family::kIpv4) {
    wire::write_ethernet(out, destination, theirs.ethernet_source, wire::kEtherTypeIpv4);
    size = wire::write_packet4(packet, advertisement, theirs.source.v4(), theirs.destination.v4());
  } else {
    wire::write_ethernet(out, destination, theirs.ethernet_source, wire::kEtherTypeIpv6);
    size = wire::write_packet6(packet, advertisement, theirs.source.v6(), theirs.destination.v6());
  }
  out.resize(wire::kEthernetHeader + size);
  return out;
}

struct Count {
  int adverts = 0;
  int verified = 0;
  int bad_digests = 0;
  int bad_checksums = 0;
  int identical = 0;
};

void check_frame(const Capture& capture, const Octets& captured, const Deliberate* odd,
                 std::vector<int>& verified, Count& count) {
  ++count.adverts;
  const auto parsed = wire::parse_frame(captured);
  const auto* got = std::get_if<wire::ReceivedAdvertisement>(&parsed);
  if (is_odd(odd, "bad checksum")) {
    ++count.bad_checksums;
    CHECK_EQ(outcome(captured), Outcome::kBadChecksum);
    return;
  }
  REQUIRE(got != nullptr);
  int matches = 0;
  for (std::size_t i = 0; i < capture.vhosts.size(); ++i) {
    const CaptureVhost& vhost = capture.vhosts[i];
    if (vhost.vhid != got->advertisement.vhid) continue;
    const auto ours = authenticator(vhost.password, vhost.vhid, vhost.addresses);
    if (!ours.verify(got->advertisement.counter, got->advertisement.digest)) continue;
    ++matches;
    ++verified[i];
    if (odd != nullptr) continue;  // crafted: not what we would build
    CHECK_EQ(got->ttl, 255);
    CHECK_EQ(got->version, 2);
    CHECK_EQ(got->type, 1);
    Octets built = rebuild(*got, captured, ours);
    Octets theirs = captured;
    normalise(built);
    normalise(theirs);
    CHECK_EQ(hex(built), hex(theirs));
    ++count.identical;
  }
  if (is_odd(odd, "bad digest")) {
    ++count.bad_digests;
    CHECK_EQ(matches, 0);
  } else {
    CHECK_EQ(matches, 1);
    ++count.verified;
  }
}

TEST(wire_vectors_all_captures) {
  Count count;
  for (const Capture& capture : captures()) {
    const std::vector<Octets> frames = read_pcap(std::string("test/vectors/") + capture.file);
    CHECK(!frames.empty());
    std::vector<int> verified(capture.vhosts.size());
    const int before = count.adverts;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      if (!has_protocol_112(frames[i])) {
        CHECK_EQ(outcome(frames[i]), Outcome::kNotCarp);
        continue;
      }
      const Deliberate* odd = nullptr;
      for (const Deliberate& entry : capture.deliberate) {
        if (entry.frame == static_cast<int>(i) + 1) odd = &entry;
      }
      const int failed = current().failures;
      check_frame(capture, frames[i], odd, verified, count);
      if (current().failures > failed) {
        std::fprintf(stderr, "  in %s, frame %zu\n", capture.file, i + 1);
      }
    }
    CHECK_EQ(count.adverts - before, capture.adverts);
    for (std::size_t i = 0; i < verified.size(); ++i) {
      CHECK_EQ(verified[i], capture.vhosts[i].verified);
    }
  }
  CHECK_EQ(captures().size(), 52U);
  CHECK_EQ(count.adverts, 1200);
  CHECK_EQ(count.verified, 1180);
  CHECK_EQ(count.bad_digests, 16);
  CHECK_EQ(count.bad_checksums, 4);
  CHECK(count.identical >= 1150);
}

TEST(wire_vectors_wrong_passwords_do_not_verify) {
  for (const Capture& capture : captures()) {
    for (const Octets& captured : read_pcap(std::string("test/vectors/") + capture.file)) {
      const auto parsed = wire::parse_frame(captured);
      const auto* got = std::get_if<wire::ReceivedAdvertisement>(&parsed);
      if (got == nullptr) continue;
      const auto& advertisement = got->advertisement;
      for (const CaptureVhost& vhost : capture.vhosts) {
        const auto wrong = authenticator("neither of them", vhost.vhid, vhost.addresses);
        CHECK(!wrong.verify(advertisement.counter, advertisement.digest));
      }
    }
  }
}

}  // namespace
}  // namespace carp::test
