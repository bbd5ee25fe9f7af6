// The kernel as /proc sees it.
#ifndef RUNSC_CPP_BOOT_PROCESS_VIEW_H_
#define RUNSC_CPP_BOOT_PROCESS_VIEW_H_

#include <string>

#include "sentry/fs/proc/process_view.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

class KernelProcessView final : public sentry::ProcessView {
 public:
  explicit KernelProcessView(sentry::Kernel& kernel);

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
  std::string CgroupPath(const sentry::VfsContext& ctx, int32_t tgid, int32_t tid) override;
  std::vector<std::string> CgroupControllers() override;
  uint64_t CgroupCount() override;
  uint64_t NamespaceId(int32_t tgid, sentry::NamespaceKind kind) override;
  sentry::SystemSnapshot System(const sentry::VfsContext& ctx) override;
  sentry::SystemNames Names() override;
  int32_t PidMax() override;
  uint64_t ThreadsMax() override;
  uint64_t FileMax() override;
  uint64_t NrOpen() override;
  uint64_t PipeMaxSize() override;
  uint64_t MaxMapCount() override;
  int OvercommitMemory() override { return 0; }
  std::string BootId() override { return boot_id_; }
  sentry::Result<void> SetHostname(const sentry::VfsContext& ctx, std::string_view name, bool domain) override;

 private:
  sentry::RefPtr<sentry::Task> Find(int32_t tgid, int32_t tid) const;

  sentry::Kernel& kernel_;
  const std::string boot_id_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_PROCESS_VIEW_H_
