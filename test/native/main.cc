// Runs the registered cases: all, or those whose name contains an argument. The last line is
// counted by test/run.ts.
#include <vector>

#include "check.h"

int main(int argc, char** argv) {
  using carp::test::Case;
  std::vector<const Case*> selected;
  for (const Case* c = carp::test::cases(); c != nullptr; c = c->next) {
    bool wanted = argc < 2;
    for (int i = 1; i < argc; ++i) wanted = wanted || std::strstr(c->name, argv[i]) != nullptr;
    if (wanted) selected.insert(selected.begin(), c);
  }
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  for (const Case* c : selected) {
    carp::test::current() = {};
    c->run();
    if (carp::test::current().failures > 0) {
      ++failed;
      std::printf("not ok %s\n", c->name);
    } else if (carp::test::current().skipped != nullptr) {
      ++skipped;
      std::printf("skipped %s: %s\n", c->name, carp::test::current().skipped);
    } else {
      ++passed;
    }
  }
  std::printf("native: %d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0 || passed == 0 ? 1 : 0;
}
