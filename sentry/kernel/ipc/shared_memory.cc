#include "sentry/kernel/ipc/shared_memory.h"

#include "absl/strings/str_format.h"

namespace sentry {

// Linux's newseg, and what ipcget asks of one that is there.
Result<int32_t> SharedMemoryNamespace::Get(const IpcCaller& caller, int32_t key, uint64_t size, uint32_t flags,
                                           ShmCreator& creator) {
  const auto check = [&](const ShmSegment& segment) -> Result<void> {
    if (segment.size() < size) return Errno::kEINVAL;
    return Ok();
  };
  const auto make = [&](int64_t pages_in_use) -> Result<RefPtr<ShmSegment>> {
    if (size < abi::kShmMin || size > limits.segment_bytes) return Errno::kEINVAL;
    const std::optional<uint64_t> rounded = CheckedPageRoundUp(size);
    if (!rounded) return Errno::kENOSPC;
    const uint64_t pages = *rounded / kPageSize + static_cast<uint64_t>(pages_in_use);
    if (pages > limits.pages || pages > INT64_MAX) return Errno::kENOSPC;
    // There are no huge pages (/sys/kernel/mm/hugepages).
    if (flags & abi::kShmHugeTlb) return Errno::kEINVAL;
    if (size > INT64_MAX) return Errno::kEINVAL;
    if ((flags & abi::kShmNoReserve) == 0 && size > memory_.limit()) return Errno::kENOMEM;
    IpcCharge charge = TRY(IpcCharge::Take(sizeof(ShmSegment)));
    creator.Remember(*this);
    return base::MakeRef<ShmSegment>(caller, owner_, key, flags, std::move(charge), RefPtr<ShmCreator>(&creator),
                                     memory_, size);
  };
  const auto limit = static_cast<int32_t>(limits.segments.load());
  return ids_.Get(caller, {.key = key, .flags = flags, .limit = limit}, check, make);
}

void SharedMemoryNamespace::RetireOrphans() {
  if (limits.rmid_forced == 0) return;
  for (const RefPtr<ShmSegment>& segment : ids_.All()) {
    if (segment->creator()->gone()) ids_.Retire(*segment);
  }
}

Result<void> SharedMemoryNamespace::Lock(const IpcCaller& caller, int32_t id, bool lock, uint64_t allowed) {
  const RefPtr<ShmSegment> segment = TRY(ids_.Find(id));
  TRY(segment->CheckLock(caller, lock, allowed));
  if (lock && !caller.creds.Has(Capability::kIpcLock)) {
    uint64_t locked = segment->BytesLockedBy(caller.creds.euid) != 0 ? 0 : PageRoundUp(segment->size());
    for (const RefPtr<ShmSegment>& other : ids_.All()) locked += other->BytesLockedBy(caller.creds.euid);
    if (locked > allowed) return Errno::kENOMEM;
  }
  segment->SetLocked(caller, lock);
  return Ok();
}

abi::Shminfo SharedMemoryNamespace::GetLimits() const {
  abi::Shminfo info = {};
  info.max = limits.segment_bytes, info.min = abi::kShmMin;
  info.mni = info.seg = limits.segments;
  info.all = limits.pages;
  return info;
}

abi::ShmInfo SharedMemoryNamespace::GetUse() const {
  abi::ShmInfo info = {};
  const auto use = ids_.use();
  info.used_ids = use.count;
  info.tot = static_cast<uint64_t>(use.parts);
  for (const RefPtr<ShmSegment>& segment : ids_.All()) info.rss += segment->memory()->ResidentBytes() / kPageSize;
  return info;
}

std::string SharedMemoryNamespace::Text(const UserNamespace& seen_by, const PidNamespace& numbers) const {
  std::string out =
      "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime"
      "      dtime      ctime                   rss                  swap\n";
  for (const RefPtr<ShmSegment>& segment : ids_.All()) {
    const abi::ShmidDs stat = segment->Describe(seen_by, numbers);
    const abi::IpcPerm& perm = stat.perm;
    absl::StrAppendFormat(&out, "%10d %10d  %4o %21u %5u %5u  %5u %5u %5u %5u %5u %10d %10d %10d %21u %21u\n", perm.key,
                          segment->id(), perm.mode, stat.segsz, stat.cpid, stat.lpid, stat.nattch, perm.uid, perm.gid,
                          perm.cuid, perm.cgid, stat.atime, stat.dtime, stat.ctime, segment->memory()->ResidentBytes(),
                          0);
  }
  return out;
}

}  // namespace sentry
