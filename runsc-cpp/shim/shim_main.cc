#include "runsc-cpp/shim/shim_main.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/log.h"
#include "runsc-cpp/shim/command.h"
#include "runsc-cpp/shim/invocation.h"
#include "runsc-cpp/shim/publisher.h"
#include "runsc-cpp/shim/reaper.h"
#include "runsc-cpp/shim/server.h"
#include "runsc-cpp/shim/task_service.h"

namespace runsc::shim {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFlushStep(10);
constexpr int kFlushSteps = 500;

int Fail(absl::string_view name, const absl::Status& status) {
  const std::string line = absl::StrCat(name, ": ", status.message(), "\n");
  (void)!write(STDERR_FILENO, line.data(), line.size());
  return 1;
}

void PrintAll(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

Publisher::Target EventTarget(const Invocation& invocation) {
  const char* socket = getenv("TTRPC_ADDRESS");
  return {.socket = socket == nullptr ? "" : std::string(absl::StripPrefix(socket, "unix://")),
          .binary = invocation.publish_binary,
          .address = invocation.address,
          .space = invocation.space};
}

class Shim {
 public:
  Shim(Loop& loop, const Invocation& invocation, std::string socket_path)
      : loop_(loop),
        socket_path_(std::move(socket_path)),
        reaper_(loop),
        publisher_(loop, reaper_, EventTarget(invocation)),
        service_(loop, reaper_, publisher_, invocation.space, [this] { BeginEnd(); }),
        server_(loop, [this](absl::string_view service, absl::string_view method, const std::string& payload,
                             Reply reply) { service_.Handle(service, method, payload, std::move(reply)); }) {}
  ~Shim() { loop_.Forget(signals_.get()); }

  absl::Status Run() {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (absl::Status s = reaper_.Start(); !s.ok()) return s;
    if (absl::Status s = TakeSignals(); !s.ok()) return s;
    fcntl(kListenFd, F_SETFD, FD_CLOEXEC);
    if (absl::Status s = server_.Listen(base::UniqueFd(kListenFd)); !s.ok()) return s;
    loop_.Run();
    return absl::OkStatus();
  }

 private:
  // With processes to wait for, SIGTERM waits for them: without us nobody would tell how they end.
  absl::Status TakeSignals() {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, nullptr);
    signals_.reset(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    return loop_.Watch(signals_.get(), EPOLLIN, [this](uint32_t) {
      signalfd_siginfo info;
      while (read(signals_.get(), &info, sizeof info) > 0) {
      }
      LOG(kInfo, "told to end: will when no process is left");
      service_.EndWhenIdle();
    });
  }

  void BeginEnd() {
    if (ending_) return;
    ending_ = true;
    // The next container of this group is another shim's.
    if (!socket_path_.empty()) unlink(socket_path_.c_str());
    Flush(0);
  }

  // What was said must be heard, but not for ever.
  void Flush(int steps) {
    if ((publisher_.idle() && !server_.busy()) || steps >= kFlushSteps) return loop_.Stop();
    loop_.After(kFlushStep, [this, steps] { Flush(steps + 1); });
  }

  Loop& loop_;
  const std::string socket_path_;
  Reaper reaper_;
  Publisher publisher_;
  TaskService service_;
  Server server_;
  base::UniqueFd signals_;
  bool ending_ = false;
};

// In the bundle, which may be removed before we end: the address is read at once.
int Serve(const Invocation& invocation) {
  const std::string address = ReadFile(kAddressFile, 4096).value_or("");
  base::UniqueFd log(open("log", O_RDWR | O_NONBLOCK | O_CLOEXEC));  // a FIFO that nobody may read
  base::SetLogConfig({.fd = log.valid() ? log.get() : STDERR_FILENO,
                      .level = invocation.debug ? base::LogLevel::kDebug : base::LogLevel::kInfo,
                      .process = "shim"});
  absl::StatusOr<std::unique_ptr<Loop>> loop = Loop::Create();
  absl::Status status = loop.status();
  if (loop.ok()) status = Shim(**loop, invocation, std::string(absl::StripPrefix(address, "unix://"))).Run();
  if (!status.ok()) LOG(kError, "%s", status.message());
  return status.ok() ? 0 : 1;
}

}  // namespace

bool IsShimName(absl::string_view name) {
  return absl::StartsWith(name.substr(name.rfind('/') + 1), "containerd-shim-");
}

int ShimMain(int argc, char** argv, const char* version) {
  const absl::StatusOr<Invocation> invocation = ParseInvocation({argv, argv + argc});
  if (!invocation.ok()) return Fail(argv[0], invocation.status());
  if (invocation->version) {
    PrintAll(absl::StrCat(invocation->name, ":\n  Version:  ", version, "\n  Revision: ", version, "\n\n"));
    return 0;
  }
  if (invocation->action.empty() && !invocation->info) return Serve(*invocation);
  const absl::StatusOr<std::string> answer = invocation->info                ? DescribeRuntime(version)
                                             : invocation->action == "start" ? StartShim(*invocation)
                                                                             : DeleteAfterShim(*invocation);
  if (!answer.ok()) return Fail(invocation->name, answer.status());
  PrintAll(*answer);
  return 0;
}

}  // namespace runsc::shim
