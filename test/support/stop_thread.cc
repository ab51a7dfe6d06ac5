// Stops one thread of a running process until its standard input ends: what a thread that hangs
// looks like from outside. SIGSTOP cannot do it, because it stops the whole process.
//
//     stop_thread PID NAME
//
// Prints "stopped TID" once the thread stands still. Exit code 1: no such thread, or refused.
#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

std::string name_of(const std::string& task) {
  std::FILE* const file = std::fopen((task + "/comm").c_str(), "re");
  if (file == nullptr) return "";
  char line[64] = "";
  const bool got = std::fgets(line, sizeof line, file) != nullptr;
  std::fclose(file);
  if (!got) return "";
  line[std::strcspn(line, "\n")] = '\0';
  return line;
}

/// 0: there is none.
pid_t thread_of(const std::string& pid, const std::string& name) {
  const std::string folder = "/proc/" + pid + "/task";
  DIR* const tasks = ::opendir(folder.c_str());
  if (tasks == nullptr) return 0;
  pid_t found = 0;
  for (const dirent* entry = ::readdir(tasks); entry != nullptr; entry = ::readdir(tasks)) {
    if (name_of(folder + "/" + entry->d_name) == name) found = std::atoi(entry->d_name);
  }
  ::closedir(tasks);
  return found;
}

int fail(const char* what) {
  std::fprintf(stderr, "stop_thread: %s: %s\n", what, std::strerror(errno));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const pid_t thread = thread_of(argv[1], argv[2]);
  if (thread == 0) return fail("no such thread");
  if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) return fail("PTRACE_SEIZE");
  if (::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0) return fail("PTRACE_INTERRUPT");
  int status = 0;
  if (::waitpid(thread, &status, __WALL) != thread) return fail("waitpid");
  std::printf("stopped %d\n", thread);
  std::fflush(stdout);
  char end[1];
  while (::read(STDIN_FILENO, end, sizeof end) > 0) {
  }
  // The tracer's end lets go of it, too.
  if (::ptrace(PTRACE_DETACH, thread, nullptr, nullptr) != 0) return fail("PTRACE_DETACH");
  return 0;
}
