// The kernel as one mount of /proc sees it: with the numbers of a pid namespace.
#ifndef RUNSC_CPP_BOOT_PROCESS_VIEW_H_
#define RUNSC_CPP_BOOT_PROCESS_VIEW_H_

#include <string>

#include "sentry/fs/proc/process_view.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

class KernelProcessView final : public sentry::ProcessView {
 public:
  KernelProcessView(sentry::Kernel& kernel, sentry::RefPtr<sentry::PidNamespace> ns);

  const sentry::PidNamespace& pid_ns() override { return *ns_; }
  int32_t NumberOf(int32_t id) override;
  int32_t IdOf(int32_t number) override;

  std::vector<int32_t> Processes() override;
  std::vector<int32_t> Threads(int32_t tgid) override;
  uint64_t TaskSerial(int32_t tgid, int32_t tid) override;
  std::optional<sentry::TaskSnapshot> Snapshot(int32_t tgid, int32_t tid) override;
  sentry::TaskPlaces Places(int32_t tgid, int32_t tid) override;
  std::vector<int32_t> FdNumbers(int32_t tgid, int32_t tid) override;
  std::optional<uint32_t> FdAccess(int32_t tgid, int32_t tid, int32_t fd) override;
  sentry::OpenFd GetFd(int32_t tgid, int32_t tid, int32_t fd) override;
  sentry::Result<void> SetComm(int32_t tgid, int32_t tid, std::string_view comm) override;
  int32_t OomScore(int32_t tgid) override;
  int32_t OomScoreAdj(int32_t tgid) override;
  sentry::Result<void> SetOomScoreAdj(const sentry::VfsContext& ctx, int32_t tgid, int32_t value) override;
  sentry::RefPtr<sentry::Namespace> GetNamespace(int32_t tgid, int32_t tid, sentry::NamespaceKind kind,
                                                 bool of_children) override;
  sentry::SystemSnapshot System(const sentry::VfsContext& ctx) override;
  sentry::SystemNames Names(const sentry::VfsContext& ctx) override;
  std::string CgroupPath(const sentry::VfsContext& ctx, int32_t tgid, int32_t tid) override;
  std::vector<std::string> CgroupControllers() override;
  uint64_t CgroupCount() override;
  int32_t PidMax() override;
  uint64_t ThreadsMax() override;
  uint64_t FileMax() override;
  uint64_t NrOpen() override;
  uint64_t PipeMaxSize() override;
  std::atomic<uint32_t>& Mqueue(const sentry::VfsContext& ctx, sentry::MqueueLimit which) override;
  sentry::SemaphoreNamespace& Semaphores(const sentry::VfsContext& ctx) override;
  sentry::MessageNamespace& Messages(const sentry::VfsContext& ctx) override;
  sentry::SharedMemoryNamespace& SharedMemory(const sentry::VfsContext& ctx) override;
  uint64_t MaxMapCount() override;
  int OvercommitMemory() override { return 0; }
  std::string BootId() override;
  bool HasNetFile(std::string_view directory, std::string_view name) override;
  sentry::Result<std::string> NetFile(std::string_view directory, std::string_view name) override;
  sentry::Result<void> SetHostname(const sentry::VfsContext& ctx, std::string_view name, bool domain) override;

 private:
  sentry::RefPtr<sentry::Task> Find(int32_t tgid, int32_t tid) const;
  sentry::RefPtr<sentry::ThreadGroup> FindGroup(int32_t tgid) const;
  void FillNumbers(const sentry::Task& task, sentry::TaskSnapshot& s) const;

  sentry::Kernel& kernel_;
  const sentry::RefPtr<sentry::PidNamespace> ns_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_PROCESS_VIEW_H_
