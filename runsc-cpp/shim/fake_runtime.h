// An OCI runtime in shell script for tests, and containerd's side of a shim.
//
// A container's program is the shell script `program` in its bundle, an exec's is its "OCI process". A file
// `fail-COMMAND` in the bundle lets that command fail with its text; `slow-COMMAND` lets it take longer.
#ifndef RUNSC_CPP_SHIM_FAKE_RUNTIME_H_
#define RUNSC_CPP_SHIM_FAKE_RUNTIME_H_

#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runsc-cpp/shim/address.h"
#include "runsc-cpp/shim/options.pb.h"
#include "runsc-cpp/shim/task_service.h"

namespace runsc::shim {

inline constexpr char kFakeRuntime[] = R"sh(#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --log) log=$2; shift 2 ;;
    --log-format) shift 2 ;;
    *) break ;;
  esac
done
command=$1; shift
bundle=$(dirname "$log")
echo "$command $*" >>"$bundle/calls"
pid_file= process=
while [ $# -gt 0 ]; do
  case $1 in
    --bundle | --resources) shift 2 ;;
    --pid-file) pid_file=$2; shift 2 ;;
    --process) process=$2; shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
if [ -e "$bundle/fail-$command" ]; then
  echo "{\"level\":\"error\",\"msg\":\"$(cat "$bundle/fail-$command")\"}" >>"$log"
  exit 1
fi
# What sh starts in the background has no input, unless it has another number. The process is nobody's child at once.
exec 3<&0
case $command in
  create)
    (sh -c 'until [ -e "$0/started" ]; do sleep 0.01; done; exec sh "$0/program"' "$bundle" <&3 3<&- &
     printf %s $! >"$pid_file") ;;
  exec) script=$(cat "$process"); (sh -c "$script" <&3 3<&- & printf %s $! >"$pid_file") ;;
  start) touch "$bundle/started" ;;
  kill) [ "$2" = 9 ] && [ ! -e "/proc/$(cat "$bundle/init.pid")" ] || kill "-$2" "$(cat "$bundle/init.pid")" ;;
  ps) echo "[$(cat "$bundle/init.pid")]" ;;
  update) cat >"$bundle/updated" ;;
esac
if [ -e "$bundle/slow-$command" ]; then sleep 0.3; fi
exit 0
)sh";

class FakeContainerd : public testing::Test {
 protected:
  using Request = containerd::task::v2::ProcessRequest;

  void SetUp() override {
    char name[] = "/tmp/shim-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    bundle_ = folder_ + "/bundle";
    mkdir(bundle_.c_str(), 0700);
    Put("config.json", R"({"linux":{"namespaces":[{"type":"pid"}]}})");
    ASSERT_TRUE(WriteFile(folder_ + "/runtime", kFakeRuntime, 0700).ok());
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    loop_ = *Loop::Create();
    reaper_ = std::make_unique<Reaper>(*loop_);
    ASSERT_TRUE(reaper_->Start().ok());
    publisher_ = std::make_unique<Publisher>(
        *loop_, *reaper_,
        Publisher::Target{.socket = folder_ + "/events", .binary = "", .address = "", .space = "space"});
    service_ = std::make_unique<TaskService>(*loop_, *reaper_, *publisher_, "space", [this] { ended_ = true; });
    server_ = std::make_unique<Server>(
        *loop_, [this](absl::string_view service, absl::string_view method, const std::string& payload, Reply reply) {
          service_->Handle(service, method, payload, std::move(reply));
        });
    ASSERT_TRUE(server_->Listen(*ListenAt(folder_ + "/shim")).ok());
    StartEvents();
    Connect();
  }

  void TearDown() override {
    if (client_.valid()) loop_->Forget(client_.get());
    std::filesystem::remove_all(folder_);
  }

  void StartEvents() {
    unlink((folder_ + "/events").c_str());
    events_server_ = std::make_unique<Server>(
        *loop_, [this](absl::string_view, absl::string_view, const std::string& payload, const Reply& reply) {
          containerd::events::ForwardRequest request;
          EXPECT_TRUE(request.ParseFromString(payload));
          EXPECT_EQ(request.envelope().namespace_(), "space");
          events_.push_back(request.envelope());
          reply.SendEmpty();
        });
    ASSERT_TRUE(events_server_->Listen(*ListenAt(folder_ + "/events")).ok());
  }

  void Connect() {
    if (client_.valid()) loop_->Forget(client_.get());
    client_ = *ConnectTo(folder_ + "/shim");
    reader_ = FrameReader();
    ASSERT_TRUE(loop_->Watch(client_.get(), EPOLLIN, [this](uint32_t) { ReadAnswers(); }).ok());
  }

  void ReadAnswers() {
    char buffer[4096];
    const ssize_t n = recv(client_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    absl::string_view bytes(buffer, n > 0 ? static_cast<size_t>(n) : 0);
    while (!bytes.empty()) {
      if (!reader_.Read(bytes)) continue;
      RpcResponse response;
      EXPECT_TRUE(response.ParseFromString(reader_.frame().data));
      answers_[reader_.frame().stream] = response;
      arrived_.push_back(reader_.frame().stream);
    }
  }

  // Runs the loop until the condition holds; false after ten seconds.
  bool Until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < end) {
      loop_->After(std::chrono::milliseconds(2), [this] { loop_->Stop(); });
      loop_->Run();
    }
    return condition();
  }

  void Put(const std::string& name, absl::string_view text) { ASSERT_TRUE(WriteFile(bundle_ + "/" + name, text).ok()); }

  void SendBytes(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
      if (n < 0) Until([turns = 0]() mutable { return turns++ > 0; });
    }
  }

  uint32_t Send(const std::string& method, const std::string& payload,
                const std::string& service = "containerd.task.v2.Task") {
    RpcRequest request;
    request.set_service(service);
    request.set_method(method);
    request.set_payload(payload);
    const uint32_t stream = next_stream_;
    next_stream_ += 2;
    SendBytes(EncodeFrame(stream, FrameType::kRequest, request.SerializeAsString()));
    return stream;
  }

  RpcResponse Answer(uint32_t stream) {
    EXPECT_TRUE(Until([&] { return answers_.contains(stream); })) << "no answer";
    return answers_[stream];
  }

  template <class Response = containerd::task::v2::WaitResponse>
  Response Call(const std::string& method, const google::protobuf::MessageLite& message) {
    const RpcResponse answer = Answer(Send(method, message.SerializeAsString()));
    EXPECT_EQ(answer.status().code(), 0) << method << ": " << answer.status().message();
    Response response;
    EXPECT_TRUE(response.ParseFromString(answer.payload()));
    return response;
  }

  // The error of a call that must fail.
  absl::Status Refused(const std::string& method, const google::protobuf::MessageLite& message) {
    const RpcResponse answer = Answer(Send(method, message.SerializeAsString()));
    return {static_cast<absl::StatusCode>(answer.status().code()), answer.status().message()};
  }

  static Request Of(const std::string& exec_id = "") {
    Request request;
    request.set_id("box");
    request.set_exec_id(exec_id);
    return request;
  }

  containerd::task::v2::CreateTaskRequest CreateRequest() {
    containerd::runc::v1::Options options;
    options.set_binary_name(folder_ + "/runtime");
    options.set_root(folder_ + "/root");
    containerd::task::v2::CreateTaskRequest request;
    request.set_id("box");
    request.set_bundle(bundle_);
    request.mutable_options()->set_type_url("containerd.runc.v1.Options");
    request.mutable_options()->set_value(options.SerializeAsString());
    return request;
  }

  containerd::task::v2::ExecProcessRequest ExecRequest(const std::string& script) {
    containerd::task::v2::ExecProcessRequest request;
    request.set_id("box");
    request.set_exec_id("more");
    request.mutable_spec()->set_value(script);
    return request;
  }

  containerd::task::v2::KillRequest KillOf(uint32_t signal, const std::string& exec_id = "") {
    containerd::task::v2::KillRequest request;
    request.set_id("box");
    request.set_exec_id(exec_id);
    request.set_signal(signal);
    return request;
  }

  void Run(const std::string& program) {
    Put("program", program);
    Call("Create", CreateRequest());
    Call("Start", Of());
  }

  // Topics so far, without "/tasks/".
  std::string Topics() {
    std::string out;
    for (const containerd::events::Envelope& event : events_) absl::StrAppend(&out, event.topic().substr(7), " ");
    return out;
  }
  void ExpectTopics(const std::string& topics) {
    EXPECT_TRUE(Until([&] { return Topics().size() >= topics.size(); }));
    EXPECT_EQ(Topics(), topics);
  }

  std::string Fifo(const std::string& name) {
    const std::string path = folder_ + "/" + name;
    mkfifo(path.c_str(), 0600);
    return path;
  }

  std::string folder_, bundle_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Reaper> reaper_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<TaskService> service_;
  std::unique_ptr<Server> server_, events_server_;
  std::vector<containerd::events::Envelope> events_;
  base::UniqueFd client_;
  FrameReader reader_;
  std::map<uint32_t, RpcResponse> answers_;
  std::vector<uint32_t> arrived_;  // streams, in the order of their answers
  uint32_t next_stream_ = 1;
  bool ended_ = false;
};

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_FAKE_RUNTIME_H_
