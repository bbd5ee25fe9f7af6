#include "sentry/kernel/ipc/semaphores.h"

#include "absl/strings/str_format.h"

namespace sentry {

Result<int32_t> SemaphoreNamespace::Get(const IpcCaller& caller, int32_t key, int32_t count, uint32_t flags) {
  if (count < 0 || count > limits.per_set) return Errno::kEINVAL;
  const auto wanted = static_cast<size_t>(count);
  const auto check = [&](const SemaphoreSet& set) -> Result<void> {
    if (wanted > set.count()) return Errno::kEINVAL;
    return Ok();
  };
  const auto make = [&](int64_t in_use) -> Result<RefPtr<SemaphoreSet>> {
    if (count == 0) return Errno::kEINVAL;
    if (in_use + count > limits.in_all) return Errno::kENOSPC;
    return SemaphoreSet::Create(caller, owner_, key, flags, wanted);
  };
  return ids_.Get(caller, {.key = key, .flags = flags, .limit = limits.sets}, check, make);
}

SemaphoreNamespace::Info SemaphoreNamespace::GetInfo(int32_t command) const {
  const auto use = ids_.use();
  abi::Seminfo info = {};
  info.map = info.mnu = abi::kSemMns;
  info.mni = limits.sets, info.mns = limits.in_all, info.msl = limits.per_set, info.opm = limits.per_call;
  info.ume = abi::kSemUme, info.vmx = abi::kSemVmx;
  info.usz = command == abi::kSemInfo ? use.count : abi::kSemUsz;
  info.aem = command == abi::kSemInfo ? static_cast<int32_t>(use.parts) : abi::kSemAem;
  return {.info = info, .max_index = use.max_index};
}

std::string SemaphoreNamespace::Text(const UserNamespace& seen_by) const {
  std::string out = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
  for (const RefPtr<SemaphoreSet>& set : ids_.All()) {
    const abi::SemidDs stat = set->Describe(seen_by);
    const abi::IpcPerm& perm = stat.perm;
    absl::StrAppendFormat(&out, "%10d %10d  %4o %10u %5u %5u %5u %5u %10u %10u\n", perm.key, set->id(), perm.mode,
                          stat.nsems, perm.uid, perm.gid, perm.cuid, perm.cgid, stat.otime, stat.ctime);
  }
  return out;
}

}  // namespace sentry
