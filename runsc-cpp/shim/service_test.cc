#include <signal.h>

#include "runsc-cpp/shim/fake_runtime.h"

namespace runsc::shim {
namespace {

namespace api = ::containerd::task::v2;

class ServiceTest : public FakeContainerd {};

TEST_F(ServiceTest, Life) {
  Put("program", "echo out; echo err >&2; exit 7");
  api::CreateTaskRequest request = CreateRequest();
  request.set_stdout(Fifo("out"));
  request.set_stderr(Fifo("err"));
  const base::UniqueFd out(open((folder_ + "/out").c_str(), O_RDONLY | O_NONBLOCK));
  const base::UniqueFd err(open((folder_ + "/err").c_str(), O_RDONLY | O_NONBLOCK));
  const uint32_t pid = Call<api::CreateTaskResponse>("Create", request).pid();
  EXPECT_GT(pid, 1u);
  EXPECT_EQ(Call<api::StateResponse>("State", Of()).status(), api::CREATED);
  EXPECT_EQ(Call<api::ConnectResponse>("Connect", Of()).task_pid(), pid);
  EXPECT_EQ(Call<api::PidsResponse>("Pids", Of()).processes(0).pid(), pid);
  const uint32_t waiting = Send("Wait", Of().SerializeAsString());
  EXPECT_EQ(Call<api::StartResponse>("Start", Of()).pid(), pid);
  api::WaitResponse waited;
  ASSERT_TRUE(waited.ParseFromString(Answer(waiting).payload()));
  EXPECT_EQ(waited.exit_status(), 7u);
  EXPECT_GT(waited.exited_at().seconds(), 1'000'000'000);
  EXPECT_EQ(Call<api::StateResponse>("State", Of()).status(), api::STOPPED);
  EXPECT_EQ(Call("Wait", Of()).exit_status(), 7u);
  EXPECT_EQ(Call<api::DeleteResponse>("Delete", Of()).exit_status(), 7u);
  char text[16];
  EXPECT_EQ(read(out.get(), text, sizeof text), 4);
  EXPECT_EQ(read(out.get(), text, sizeof text), 0) << "the end of the output";
  EXPECT_EQ(read(err.get(), text, sizeof text), 4);
  ExpectTopics("create start exit delete ");
  EXPECT_EQ(events_[2].event().type_url(), "containerd.events.TaskExit");
  containerd::events::TaskExit exit;
  ASSERT_TRUE(exit.ParseFromString(events_[2].event().value()));
  EXPECT_EQ(exit.id(), "box");
  EXPECT_EQ(exit.exit_status(), 7u);
  EXPECT_EQ(Refused("State", Of()).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ended_);
  Call("Shutdown", Of());
  EXPECT_TRUE(ended_);
}

TEST_F(ServiceTest, FailedCreateLeavesNothing) {
  Put("fail-create", "exec: no such file or directory");
  const absl::Status status = Refused("Create", CreateRequest());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(status.message(), "OCI runtime create failed: exec: no such file or directory");
  EXPECT_EQ(Refused("Delete", Of()).code(), absl::StatusCode::kNotFound);
  unlink((bundle_ + "/fail-create").c_str());
  Run("exit 0");
  EXPECT_EQ(Refused("Create", CreateRequest()).code(), absl::StatusCode::kAlreadyExists);
  Call("Wait", Of());
}

TEST_F(ServiceTest, FailedStart) {
  Put("fail-start", "cannot");
  Put("program", "exit 0");
  Call("Create", CreateRequest());
  EXPECT_EQ(Refused("Start", Of()).message(), "OCI runtime start failed: cannot");
  EXPECT_EQ(Call<api::StateResponse>("State", Of()).status(), api::CREATED);
  Call("Kill", KillOf(SIGKILL));
  EXPECT_EQ(Call("Wait", Of()).exit_status(), 137u);
  Call("Delete", Of());
}

TEST_F(ServiceTest, StartIsToldBeforeTheEnd) {
  Put("slow-start", "");
  Put("program", "exit 3");
  Call("Create", CreateRequest());
  Call("Start", Of());
  EXPECT_EQ(Call("Wait", Of()).exit_status(), 3u);
  ExpectTopics("create start exit ");
}

TEST_F(ServiceTest, KillIsAnsweredBeforeTheEndIsTold) {
  Put("slow-kill", "");
  Run("sleep 100");
  const uint32_t waiting = Send("Wait", Of().SerializeAsString());
  const uint32_t killing = Send("Kill", KillOf(SIGKILL).SerializeAsString());
  EXPECT_EQ(Answer(killing).status().code(), 0);
  api::WaitResponse waited;
  ASSERT_TRUE(waited.ParseFromString(Answer(waiting).payload()));
  EXPECT_EQ(waited.exit_status(), 137u);
  const std::vector<uint32_t> last(arrived_.end() - 2, arrived_.end());
  EXPECT_EQ(last, (std::vector<uint32_t>{killing, waiting}));
}

TEST_F(ServiceTest, Exec) {
  Run("sleep 100");
  api::ExecProcessRequest request = ExecRequest("read word; echo got $word; exit 9");
  request.set_stdin(Fifo("in"));
  request.set_stdout(Fifo("out"));
  const base::UniqueFd out(open((folder_ + "/out").c_str(), O_RDONLY | O_NONBLOCK));
  Call("Exec", request);
  EXPECT_EQ(Refused("Exec", request).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Call<api::StateResponse>("State", Of("more")).status(), api::CREATED);
  EXPECT_EQ(Refused("Kill", KillOf(SIGTERM, "more")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_GT(Call<api::StartResponse>("Start", Of("more")).pid(), 1u);
  EXPECT_EQ(Refused("Start", Of("more")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Refused("Delete", Of("more")).code(), absl::StatusCode::kFailedPrecondition);
  const base::UniqueFd in(open((folder_ + "/in").c_str(), O_WRONLY | O_NONBLOCK));
  EXPECT_EQ(write(in.get(), "this\n", 5), 5);
  EXPECT_EQ(Call("Wait", Of("more")).exit_status(), 9u);
  EXPECT_EQ(Call<api::DeleteResponse>("Delete", Of("more")).exit_status(), 9u);
  char text[64];
  EXPECT_EQ(std::string(text, static_cast<size_t>(read(out.get(), text, sizeof text))), "got this\n");
  EXPECT_EQ(Refused("State", Of("more")).code(), absl::StatusCode::kNotFound);
  ExpectTopics("create start exec-added exec-started exit ");
  Call("Kill", KillOf(SIGKILL));
  EXPECT_EQ(Call("Wait", Of()).exit_status(), 137u);
}

TEST_F(ServiceTest, ExecThatEndsBeforeItsCommand) {
  Run("sleep 100");
  Put("slow-exec", "");
  Call("Exec", ExecRequest("exit 5"));
  const uint32_t waiting = Send("Wait", Of("more").SerializeAsString());
  Call("Start", Of("more"));
  api::WaitResponse waited;
  ASSERT_TRUE(waited.ParseFromString(Answer(waiting).payload()));
  EXPECT_EQ(waited.exit_status(), 5u);
  ExpectTopics("create start exec-added exec-started exit ");
  Call("Kill", KillOf(SIGKILL));
  Call("Wait", Of());
}

TEST_F(ServiceTest, FailedExec) {
  Run("sleep 100");
  Put("fail-exec", "executable file not found in $PATH");
  Call("Exec", ExecRequest(""));
  EXPECT_EQ(Refused("Start", Of("more")).message(), "OCI runtime exec failed: executable file not found in $PATH");
  EXPECT_EQ(Call("Wait", Of("more")).exit_status(), 255u);
  Call("Delete", Of("more"));
  EXPECT_EQ(access((bundle_ + "/exec-more.json").c_str(), F_OK), -1);
  Call("Kill", KillOf(SIGKILL));
  Call("Wait", Of());
}

TEST_F(ServiceTest, InputEndsByCloseIO) {
  Put("program", "cat >/dev/null; exit 4");
  api::CreateTaskRequest request = CreateRequest();
  request.set_stdin(Fifo("in"));
  Call("Create", request);
  Call("Start", Of());
  base::UniqueFd in(open((folder_ + "/in").c_str(), O_WRONLY | O_NONBLOCK));
  EXPECT_EQ(write(in.get(), "x", 1), 1);
  in.reset();
  // A client that goes may come back.
  EXPECT_EQ(Call<api::StateResponse>("State", Of()).status(), api::RUNNING);
  api::CloseIORequest close;
  close.set_id("box");
  close.set_stdin(true);
  Call("CloseIO", close);
  EXPECT_EQ(Call("Wait", Of()).exit_status(), 4u);
}

TEST_F(ServiceTest, OutputThatNobodyReadsBlocksOnlyItsWriter) {
  Put("program", "head -c 1000000 /dev/zero; exit 2");
  api::CreateTaskRequest request = CreateRequest();
  request.set_stdout(Fifo("out"));
  Call("Create", request);
  Call("Start", Of());
  EXPECT_FALSE(Until([turns = 0]() mutable { return ++turns > 50 ? true : false; }) &&
               Call<api::StateResponse>("State", Of()).status() == api::STOPPED);
  const base::UniqueFd out(open((folder_ + "/out").c_str(), O_RDONLY | O_NONBLOCK));
  size_t got = 0;
  EXPECT_TRUE(Until([&] {
    char buffer[65536];
    const ssize_t n = read(out.get(), buffer, sizeof buffer);
    if (n > 0) got += static_cast<size_t>(n);
    return n == 0;
  }));
  EXPECT_EQ(got, 1000000u);
  EXPECT_EQ(Call("Wait", Of()).exit_status(), 2u);
}

TEST_F(ServiceTest, DeleteDoesNotWaitForWhoKeepsTheOutput) {
  Put("program", "sleep 100 & exit 0");
  api::CreateTaskRequest request = CreateRequest();
  request.set_stdout(Fifo("out"));
  const base::UniqueFd out(open((folder_ + "/out").c_str(), O_RDONLY | O_NONBLOCK));
  Call("Create", request);
  Call("Start", Of());
  Call("Wait", Of());
  Call("Delete", Of());
  char text[16];
  EXPECT_EQ(read(out.get(), text, sizeof text), 0);
}

TEST_F(ServiceTest, PauseAndUpdate) {
  Run("sleep 100");
  EXPECT_EQ(Refused("Resume", Of()).code(), absl::StatusCode::kFailedPrecondition);
  Call("Pause", Of());
  EXPECT_EQ(Call<api::StateResponse>("State", Of()).status(), api::PAUSED);
  EXPECT_EQ(Refused("Exec", ExecRequest("")).message(), "cannot exec in a paused state");
  Call("Resume", Of());
  api::UpdateTaskRequest update;
  update.set_id("box");
  update.mutable_resources()->set_type_url("types.containerd.io/opencontainers/runtime-spec/1/LinuxResources");
  update.mutable_resources()->set_value("{\"pids\":{}}");
  Call("Update", update);
  EXPECT_EQ(*ReadFile(bundle_ + "/updated"), "{\"pids\":{}}");
  EXPECT_EQ(Refused("Checkpoint", Of()).code(), absl::StatusCode::kUnimplemented);
  Call("Kill", KillOf(SIGTERM));
  EXPECT_EQ(Call("Wait", Of()).exit_status(), 128u + SIGTERM);
  EXPECT_EQ(Refused("Kill", KillOf(SIGTERM)).message(), "process already finished: not found");
  ExpectTopics("create start paused resumed exit ");
}

TEST_F(ServiceTest, SharedPidsAreKilledAtTheEnd) {
  Put("config.json", "{}");
  Run("exit 0");
  Call("Wait", Of());
  EXPECT_NE(ReadFile(bundle_ + "/calls")->find("kill --all box 9"), std::string::npos);
}

TEST_F(ServiceTest, EndsWhenIdle) {
  Run("sleep 100");
  service_->EndWhenIdle();
  EXPECT_FALSE(ended_);
  Call("Kill", KillOf(SIGKILL));
  EXPECT_TRUE(Until([this] { return ended_; }));
}

TEST_F(ServiceTest, EventsWaitForContainerd) {
  events_server_.reset();
  unlink((folder_ + "/events").c_str());
  Run("exit 0");
  Call("Wait", Of());
  StartEvents();
  ExpectTopics("create start exit ");
}

TEST_F(ServiceTest, BadRequests) {
  Request unknown;
  unknown.set_id("nobody");
  for (const char* method : {"State", "Start", "Delete", "Pids", "Pause", "Resume", "Checkpoint", "Exec", "ResizePty",
                             "CloseIO", "Update", "Wait", "Stats"}) {
    EXPECT_EQ(Refused(method, unknown).code(), absl::StatusCode::kNotFound) << method;
    EXPECT_EQ(Answer(Send(method, "\xff\xff")).status().code(), 3) << method;
  }
  EXPECT_EQ(Answer(Send("Nonsense", "")).status().code(), 12);
  EXPECT_EQ(Answer(Send("State", "", "some.Service")).status().code(), 12);
  api::CreateTaskRequest create = CreateRequest();
  create.set_id("../box");
  EXPECT_EQ(Refused("Create", create).code(), absl::StatusCode::kInvalidArgument);
  create = CreateRequest();
  create.set_stdout("/no/such/fifo");
  EXPECT_FALSE(Refused("Create", create).ok());
  create = CreateRequest();
  create.mutable_options()->set_type_url("unknown");
  EXPECT_FALSE(Refused("Create", create).ok());
  EXPECT_FALSE(Refused("Kill", KillOf(0)).ok());
}

TEST_F(ServiceTest, BadFrames) {
  SendBytes(EncodeFrame(2, FrameType::kRequest, "even"));
  EXPECT_EQ(Answer(2).status().code(), 3);
  SendBytes(EncodeFrame(101, FrameType::kData, "of no stream"));
  SendBytes(EncodeFrame(103, FrameType::kRequest, "\xff no request"));
  EXPECT_EQ(Answer(103).status().code(), 3);
  SendBytes(absl::string_view("\0\x50\0\0\0\0\0\x69\1\0", 10));  // 5 MiB
  SendBytes(std::string(5 << 20, 'x'));
  EXPECT_EQ(Answer(105).status().code(), 8);
  SendBytes(std::string(1000, '\xff'));
  Connect();
  EXPECT_GT(Call<api::ConnectResponse>("Connect", Of()).shim_pid(), 0u);
}

TEST_F(ServiceTest, ComesBackAfterAConnectionIsLost) {
  Run("sleep 100");
  Send("Wait", Of().SerializeAsString());
  Until([turns = 0]() mutable { return turns++ > 2; });
  Connect();
  const uint32_t waiting = Send("Wait", Of().SerializeAsString());
  Call("Kill", KillOf(SIGKILL));
  api::WaitResponse waited;
  ASSERT_TRUE(waited.ParseFromString(Answer(waiting).payload()));
  EXPECT_EQ(waited.exit_status(), 137u);
}

}  // namespace
}  // namespace runsc::shim
