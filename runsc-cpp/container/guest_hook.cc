#include "runsc-cpp/container/guest_hook.h"

#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/container/ask.h"
#include "runsc-cpp/container/describe.h"
#include "runsc-cpp/hooks/words.h"
#include "runsc-cpp/sandbox/link.h"

namespace runsc {
namespace {

namespace control = sentry::control;

// Its link is ours: when that is closed, the sentry kills it.
class GuestProcess final : public HookProcess {
 public:
  explicit GuestProcess(base::UniqueFd link) : link_(std::move(link)) {}

  int end_fd() const override { return link_.get(); }
  void Kill() override { link_.reset(); }

  std::string HowItEnded() override {
    const std::optional<LinkMessage> message = ReceiveLink(link_.get());
    link_.reset();
    if (!message || message->type != LinkMessageType::kExited) return "the container is gone";
    return message->value == 0 ? "" : absl::StrCat("exit status ", message->value);
  }

 private:
  base::UniqueFd link_;
};

// As runc, which forks it from the process that will be the user's: its ids, rights, limits and seccomp filter.
void Describe(const oci::Hook& hook, const Bundle& bundle, control::Process& process) {
  oci::ProcessPlan plan = *bundle.plan.process;
  plan.argv = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  plan.envp = hook.env;
  DescribeProcess(plan, process);
  DescribeSeccomp(bundle.plan.seccomp, process);
  process.set_make_cwd(false);
  process.set_set_home(false);
  process.set_program(hook.path);
}

absl::StatusOr<std::unique_ptr<HookProcess>> Start(const RuntimeOptions& runtime, const ContainerRecord& record,
                                                   const Bundle& bundle, const oci::Hook& hook, HookStreams streams) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return HookError("socketpair", errno);
  base::UniqueFd ours(pair[0]);
  const base::UniqueFd theirs(pair[1]);
  control::Request request;
  RequestDescriptors fds;
  request.mutable_exec()->set_id(record.id());
  control::Process& process = *request.mutable_exec()->mutable_process();
  Describe(hook, bundle, process);
  process.set_link_fd(fds.Add(theirs.get()));
  for (uint32_t i = 0; i < streams.size(); ++i) {
    control::Stream& stream = *process.add_streams();
    stream.set_guest(i);
    stream.set_file_fd(fds.Add(streams[i]));
  }
  const absl::StatusOr<control::Response> response = AskSandbox(runtime, record, request, fds);
  if (!response.ok()) return response.status();
  if (response->error() == 0) return std::make_unique<GuestProcess>(std::move(ours));
  if (response->stage() == control::Response::OTHER) return absl::InternalError(response->message());
  return HookError(absl::StrCat("fork/exec ", hook.path), response->error());
}

}  // namespace

HookStarter InGuest(const RuntimeOptions& runtime, const ContainerRecord& record, const Bundle& bundle) {
  return [&runtime, &record, &bundle](const oci::Hook& hook, HookStreams streams) {
    return Start(runtime, record, bundle, hook, streams);
  };
}

}  // namespace runsc
