#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "runsc-cpp/container/bind_mounts.h"
#include "runsc-cpp/container/process_ref.h"
#include "runsc-cpp/container/state.h"
#include "runsc-cpp/container/state_root.h"

namespace runsc {
namespace {

class StateRootTest : public testing::Test {
 protected:
  StateRootTest() : path_(MakePath()), root_(path_ + "/deep/root") {}
  ~StateRootTest() override { (void)!system(("rm -rf " + path_).c_str()); }

  static std::string MakePath() {
    char name[] = "/tmp/state_root_test.XXXXXX";
    return mkdtemp(name);
  }
  ContainerRecord Example(const std::string& id) {
    ContainerRecord record;
    record.set_id(id);
    record.set_bundle("/bundle");
    record.set_boot_id(BootId());
    return record;
  }

  const std::string path_;
  StateRoot root_;
};

TEST_F(StateRootTest, ARecordComesBackAsItWas) {
  ASSERT_TRUE(root_.Add("a").ok());
  ASSERT_TRUE(root_.Save(Example("a")).ok());
  const absl::StatusOr<ContainerRecord> loaded = root_.Load("a");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->SerializeAsString(), Example("a").SerializeAsString());
  EXPECT_TRUE(absl::IsAlreadyExists(root_.Add("a")));
}

TEST_F(StateRootTest, UnknownAndImpossibleIdsDoNotExist) {
  for (const char* id : {"nobody", "", ".", "..", "../deep", "a/b", ".sandboxes"}) {
    EXPECT_TRUE(absl::IsNotFound(root_.Load(id).status())) << id;
  }
  EXPECT_FALSE(CheckId(std::string(1025, 'a')).ok());
  EXPECT_FALSE(CheckId("a b").ok());
  EXPECT_TRUE(CheckId("a-b_c+d.e").ok());
}

TEST_F(StateRootTest, WithoutARecordThereIsNoContainer) {
  ASSERT_TRUE(root_.Add("a").ok());
  EXPECT_TRUE(root_.Exists("a"));
  EXPECT_TRUE(absl::IsNotFound(root_.Load("a").status()));
  EXPECT_TRUE(root_.List().empty());
}

TEST_F(StateRootTest, AnythingInPlaceOfARecordIsRemoved) {
  ASSERT_TRUE(root_.Add("a").ok());
  ASSERT_EQ(mkdir((root_.Directory("a") + "/record").c_str(), 0700), 0);
  EXPECT_TRUE(absl::IsDataLoss(root_.Load("a").status()));
  root_.Remove("a");
  EXPECT_FALSE(root_.Exists("a"));
}

TEST_F(StateRootTest, ALinkIsNoContainer) {
  ASSERT_TRUE(root_.Add("a").ok());
  ASSERT_TRUE(root_.Save(Example("a")).ok());
  ASSERT_EQ(symlink(root_.Directory("a").c_str(), root_.Directory("link").c_str()), 0);
  EXPECT_FALSE(root_.Exists("link"));
  root_.Remove("link");
  EXPECT_TRUE(root_.Load("a").ok());
  EXPECT_EQ(root_.List(), std::vector<std::string>{"a"});
}

TEST_F(StateRootTest, EveryCutOrFlippedRecordIsDamaged) {
  ASSERT_TRUE(root_.Add("a").ok());
  ASSERT_TRUE(root_.Save(Example("a")).ok());
  const std::string bytes = *root_.ReadFile("a", "record");
  for (size_t i = 0; i < bytes.size(); ++i) {
    ASSERT_TRUE(root_.WriteFile("a", "record", bytes.substr(0, i)).ok());
    EXPECT_TRUE(absl::IsDataLoss(root_.Load("a").status())) << i;
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    ASSERT_TRUE(root_.WriteFile("a", "record", flipped).ok());
    EXPECT_TRUE(absl::IsDataLoss(root_.Load("a").status())) << i;
  }
}

TEST_F(StateRootTest, ListHasContainersOnly) {
  for (const char* id : {"b", "a", "without-record"}) ASSERT_TRUE(root_.Add(id).ok());
  for (const char* id : {"b", "a"}) ASSERT_TRUE(root_.Save(Example(id)).ok());
  const absl::StatusOr<base::UniqueFd> socket = root_.ListenAs("a");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(root_.List(), (std::vector<std::string>{"a", "b"}));
  root_.Remove("a");
  EXPECT_EQ(root_.List(), (std::vector<std::string>{"b"}));
}

TEST_F(StateRootTest, ASandboxIsReachedHoweverLongTheRootIs) {
  const StateRoot deep(path_ + "/" + std::string(200, 'x') + "/root");
  ASSERT_TRUE(deep.Add("a").ok());
  EXPECT_TRUE(absl::IsUnavailable(deep.ConnectTo("a").status()));
  const absl::StatusOr<base::UniqueFd> listener = deep.ListenAs("a");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(deep.ConnectTo("a").ok());
  deep.RemoveSocket("a");
  EXPECT_TRUE(absl::IsUnavailable(deep.ConnectTo("a").status()));
}

TEST(ProcessRef, KnowsAProcessByItsStart) {
  const pid_t pid = fork();
  if (pid == 0) {
    pause();
    _exit(0);
  }
  const ProcessRef ref = RefTo(pid);
  EXPECT_TRUE(IsAlive(ref));
  EXPECT_FALSE(AwaitEnd(ref, 1));
  ProcessRef other = ref;
  other.set_start_ticks(ref.start_ticks() + 1);
  EXPECT_FALSE(IsAlive(other));
  KillProcess(other);
  EXPECT_TRUE(IsAlive(ref)) << "another one of that number is not killed";
  KillProcess(ref);
  EXPECT_TRUE(AwaitEnd(ref, 5000));
  EXPECT_FALSE(IsAlive(ref)) << "a zombie is not alive";
  waitpid(pid, nullptr, 0);
  EXPECT_EQ(RefTo(pid).pid(), 0);
}

TEST(ContainerState, ComesFromTheAnchor) {
  ContainerRecord record;
  record.set_boot_id(BootId());
  EXPECT_EQ(StatusOf(record), ContainerStatus::kCreating);
  *record.mutable_anchor() = RefTo(getpid());
  record.set_phase(ContainerRecord::CREATED);
  EXPECT_EQ(StatusOf(record), ContainerStatus::kCreated);
  record.set_phase(ContainerRecord::STARTED);
  EXPECT_EQ(StatusOf(record), ContainerStatus::kRunning);
  record.set_paused(true);
  EXPECT_EQ(StatusOf(record), ContainerStatus::kPaused);
  EXPECT_EQ(StateOf(record).pid, getpid());
  record.mutable_anchor()->set_start_ticks(1);
  EXPECT_EQ(StatusOf(record), ContainerStatus::kStopped);
  EXPECT_EQ(StateOf(record).pid, 0);
  *record.mutable_anchor() = RefTo(getpid());
  record.set_boot_id("another boot");
  EXPECT_EQ(StatusOf(record), ContainerStatus::kStopped);
}

TEST(ContainerState, RefusalsAreInRuncsWords) {
  sentry::control::Response response;
  oci::ProcessPlan process;
  response.set_stage(sentry::control::Response::PROGRAM);
  response.set_error(ENOENT);
  process.argv = {"nope"};
  EXPECT_EQ(ToStatus(response, process).message(),
            "unable to start container process: exec: \"nope\": executable file not found in $PATH");
  process.argv = {"/nope"};
  EXPECT_EQ(ToStatus(response, process).message(),
            "unable to start container process: exec: \"/nope\": stat /nope: no such file or directory");
  response.set_error(EACCES);
  EXPECT_EQ(ToStatus(response, process).message(),
            "unable to start container process: exec: \"/nope\": permission denied");
  response.set_error(0);
  EXPECT_TRUE(ToStatus(response, process).ok());
}

TEST(BindMounts, MountInfoIsRead) {
  const std::vector<HostMount> mounts = ParseMountInfo(
      "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "22 21 0:20 / /a\\040b ro,nosuid,nodev,noexec,noatime - tmpfs none rw\n"
      "23 21 0:21 /x /c rw,nodiratime,nosymfollow - xfs none rw\n"
      "nonsense\n");
  ASSERT_EQ(mounts.size(), 3u);
  EXPECT_EQ(mounts[0].flags, MS_RELATIME);
  EXPECT_EQ(mounts[1].id, 22);
  EXPECT_EQ(mounts[1].path, "/a b");
  EXPECT_EQ(mounts[1].type, "tmpfs");
  EXPECT_EQ(mounts[1].flags, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME);
  EXPECT_EQ(mounts[2].flags, MS_NODIRATIME | MS_STRICTATIME | 256);
}

TEST(BindMounts, FlagsOfASourceStayWithoutWords) {
  constexpr uint64_t kSource = MS_NOSUID | MS_NOATIME;
  const auto flags = [](std::vector<std::string> words) { return BindFlagsOf(oci::ParseMountOptions(words), kSource); };
  EXPECT_EQ(flags({"rbind", "rprivate"}), kSource);
  EXPECT_EQ(flags({"bind", "ro"}), MS_RDONLY | MS_NOATIME);
  EXPECT_EQ(flags({"bind", "exec"}), uint64_t{MS_NOATIME});
  EXPECT_EQ(flags({"bind", "strictatime"}), uint64_t{MS_STRICTATIME});
  EXPECT_EQ(flags({"bind", "rro", "rstrictatime"}), kSource - MS_NOATIME + MS_RDONLY + MS_STRICTATIME);
  EXPECT_EQ(flags({"bind", "ratime"}), uint64_t{MS_NOSUID});
}

TEST(BindMounts, OnlyRecursiveWordsReachWhatIsBelow) {
  EXPECT_EQ(BelowFlagsOf(oci::ParseMountOptions({"rbind", "ro", "noexec"}), MS_NODEV), uint64_t{MS_NODEV});
  EXPECT_EQ(BelowFlagsOf(oci::ParseMountOptions({"rbind", "rro", "rdev"}), MS_NODEV), uint64_t{MS_RDONLY});
}

}  // namespace
}  // namespace runsc
