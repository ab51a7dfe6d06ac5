// Runs a fuzz target without libFuzzer: the corpus first, then mutations of it from a seed, so that
// a plain compiler with AddressSanitizer is enough and a failure can be repeated.
//
//   fuzz_frame [--seed N] [--runs N] [--seconds N] [FILE or FOLDER ...]
//
// The last line counts what ran. An input that crashes is written to `fuzz-crash` (--crash FILE).
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
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

// Where the input at work is kept: a sanitizer ends the process without a way back, so its callback
// writes it out.
const Input* at_work = nullptr;
const char* crash_path = "fuzz-crash";

void write_crash() {
  if (at_work == nullptr) return;
  std::FILE* file = std::fopen(crash_path, "wb");
  if (file == nullptr) return;
  std::fwrite(at_work->data(), 1, at_work->size(), file);
  std::fclose(file);
  std::fprintf(stderr, "the input is in %s (%zu octets)\n", crash_path, at_work->size());
}

void run(const Input& input) {
  Input exact(input);
  exact.shrink_to_fit();
  at_work = &exact;
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  at_work = nullptr;
}

void collect(const std::filesystem::path& path, std::vector<Input>* corpus) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    std::vector<std::filesystem::path> names;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      names.push_back(entry.path());
    }
    std::sort(names.begin(), names.end());  // the order of a folder is not the same everywhere
    for (const auto& name : names) collect(name, corpus);
    return;
  }
  Input input;
  if (read_file(path, &input)) corpus->push_back(std::move(input));
}

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t runs = 0;  // 0: until the time is up
  double seconds = 5;
  std::vector<Input> corpus;
  bool ok = true;
};

Options parse(int argc, char** argv) {
  Options out;
  for (int i = 1; i < argc; ++i) {
    const bool more = i + 1 < argc;
    if (std::strcmp(argv[i], "--seed") == 0 && more) {
      out.seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--runs") == 0 && more) {
      out.runs = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--seconds") == 0 && more) {
      out.seconds = std::strtod(argv[++i], nullptr);
    } else if (std::strcmp(argv[i], "--crash") == 0 && more) {
      crash_path = argv[++i];
    } else if (argv[i][0] == '-') {
      out.ok = false;
    } else {
      collect(argv[i], &out.corpus);
    }
  }
  return out;
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __sanitizer_set_death_callback(void (*callback)());
#endif

int main(int argc, char** argv) {
  Options options = parse(argc, argv);
  if (!options.ok) {
    std::fprintf(
        stderr,
        "usage: %s [--seed N] [--runs N] [--seconds N] [--crash FILE] [FILE or FOLDER...]\n",
        argv[0]);
    return 64;  // EX_USAGE
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(&write_crash);
#endif
  std::signal(SIGABRT, [](int) { write_crash(); });
  options.corpus.push_back({});
  for (const Input& input : options.corpus) run(input);
  Random random(options.seed);
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
  std::uint64_t mutations = 0;
  const auto wanted = [&] {
    if (options.runs > 0) return mutations < options.runs;
    return mutations % 256 != 0 || Clock::now() < end;
  };
  for (; wanted(); ++mutations) run(mutate(options.corpus, random));
  std::printf("fuzz: %zu inputs, %llu mutations, seed %llu\n", options.corpus.size(),
              static_cast<unsigned long long>(mutations),
              static_cast<unsigned long long>(options.seed));
  return 0;
}
