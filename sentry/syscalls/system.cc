#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sentry/abi/personality.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/version.h"
#include "sentry/syscalls/handlers.h"

namespace sentry {
namespace {

constexpr size_t kNameMaxLength = 64;

void SetField(char (&field)[65], std::string_view value) {
  const size_t n = std::min(value.size(), kNameMaxLength);
  std::memcpy(field, value.data(), n);
}

Result<std::string> ReadName(Task& task, UserAddr name, int32_t length) {
  if (!task.creds().HasIn(*task.nsproxy().uts->owner(), Capability::kSysAdmin)) return Errno::kEPERM;
  if (length < 0 || static_cast<size_t>(length) > kNameMaxLength) return Errno::kEINVAL;
  std::string value(length, '\0');
  TRY(CopyInFull(task.mm(), name, std::as_writable_bytes(std::span(value))));
  value.resize(std::strlen(value.c_str()));
  return value;
}

}  // namespace

SyscallResult SysUname(Task& task, UserOut<abi::NewUtsname> name) {
  const UtsName uts = task.nsproxy().uts->name();
  abi::NewUtsname out{};
  SetField(out.sysname, kOsType);
  SetField(out.nodename, uts.hostname);
  SetField(out.release, (task.personality & abi::kUname26) != 0 ? kOsRelease26 : kOsRelease);
  SetField(out.version, kOsVersion);
  const bool as_i686 = (task.personality & abi::kPersonalityMask) == abi::kPerLinux32;
  SetField(out.machine, as_i686 ? kMachine32 : kMachine);
  SetField(out.domainname, uts.domainname);
  return name.Write(task.mm(), out);
}

SyscallResult SysSethostname(Task& task, UserAddr name, int32_t length) {
  task.nsproxy().uts->SetHostname(TRY(ReadName(task, name, length)));
  return 0;
}

SyscallResult SysSetdomainname(Task& task, UserAddr name, int32_t length) {
  task.nsproxy().uts->SetDomainname(TRY(ReadName(task, name, length)));
  return 0;
}

SyscallResult SysSysinfo(Task& task, UserOut<abi::Sysinfo> info) {
  Kernel& kernel = task.kernel();
  const MemoryFile::View memory = kernel.memory_file().CallerView();
  abi::Sysinfo out{};
  out.uptime = (RealtimeNowNs() - kernel.boot_time_ns()) / kNsPerSec;
  out.totalram = memory.limit;
  out.freeram = memory.free();
  out.sharedram = memory.shared;
  out.procs = static_cast<uint16_t>(std::min<size_t>(kernel.task_count(), UINT16_MAX));
  out.mem_unit = 1;
  return info.Write(task.mm(), out);
}

SyscallResult SysGetrandom(Task& task, UserAddr buf, Size count, uint32_t flags) {
  constexpr uint32_t kNonBlock = 1, kRandom = 2, kInsecure = 4;
  if ((flags & ~(kNonBlock | kRandom | kInsecure)) != 0) return Errno::kEINVAL;
  if ((flags & (kRandom | kInsecure)) == (kRandom | kInsecure)) return Errno::kEINVAL;
  const uint64_t wanted = std::min<uint64_t>(count.value, INT32_MAX);
  std::array<std::byte, 4096> chunk;
  uint64_t done = 0;
  while (done < wanted) {
    const size_t n = std::min<uint64_t>(chunk.size(), wanted - done);
    if (getrandom(chunk.data(), n, 0) != static_cast<ssize_t>(n)) continue;  // interrupted by a kick
    const Result<size_t> copied = task.mm().CopyOut(buf + done, std::span(chunk).first(n));
    if (!copied.ok()) return done > 0 ? SyscallResult(done) : SyscallResult(copied.error());
    done += *copied;
    if (*copied < n || task.interrupted()) break;
  }
  return done;
}

SyscallResult SysPersonality(Task& task, uint32_t persona) {
  constexpr uint32_t kQuery = UINT32_MAX;
  const uint32_t before = task.personality;
  if (persona != kQuery) task.personality = persona;
  return before;
}

SyscallResult SysSyslog(Task& task, int32_t type, UserAddr buf, int32_t length) {
  constexpr int32_t kReadAll = 3, kReadClear = 4, kSizeUnread = 9, kSizeBuffer = 10;
  // As with dmesg_restrict=1, Debian's default.
  if (!task.creds().Has(Capability::kSyslog) && !task.creds().Has(Capability::kSysAdmin)) return Errno::kEPERM;
  switch (type) {
    case kReadAll:
    case kReadClear:
      if (buf.is_null() || length < 0) return Errno::kEINVAL;
      return 0;  // the log is empty
    case kSizeUnread:
      return 0;
    case kSizeBuffer:
      return 4096;
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace sentry
