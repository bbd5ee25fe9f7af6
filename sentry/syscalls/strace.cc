#include "sentry/syscalls/strace.h"

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "sentry/abi/mman.h"
#include "sentry/syscalls/arg_types.h"

namespace sentry {
namespace {

constexpr size_t kMaxShownString = 256;

template <size_t N>
void PrintBits(uint64_t value, const std::array<std::pair<uint64_t, const char*>, N>& names, std::string& out) {
  for (const auto& [bit, name] : names) {
    if ((value & bit) != bit) continue;
    if (!out.empty() && out.back() != '(' && out.back() != ' ') out += '|';
    out += name;
    value &= ~bit;
  }
  if (value != 0) absl::StrAppendFormat(&out, "|%#x", value);
}

constexpr std::array<std::pair<uint64_t, const char*>, 13> kOpenBits = {{{abi::kOTmpFile, "O_TMPFILE"},
                                                                         {abi::kOSync, "O_SYNC"},
                                                                         {abi::kOCreat, "O_CREAT"},
                                                                         {abi::kOExcl, "O_EXCL"},
                                                                         {abi::kONoCtty, "O_NOCTTY"},
                                                                         {abi::kOTrunc, "O_TRUNC"},
                                                                         {abi::kOAppend, "O_APPEND"},
                                                                         {abi::kONonBlock, "O_NONBLOCK"},
                                                                         {abi::kODirect, "O_DIRECT"},
                                                                         {abi::kODirectory, "O_DIRECTORY"},
                                                                         {abi::kONoFollow, "O_NOFOLLOW"},
                                                                         {abi::kOCloExec, "O_CLOEXEC"},
                                                                         {abi::kOPath, "O_PATH"}}};
constexpr std::array<std::pair<uint64_t, const char*>, 8> kMapBits = {
    {{abi::kMapFixed, "MAP_FIXED"},
     {abi::kMapAnonymous, "MAP_ANONYMOUS"},
     {abi::kMapGrowsDown, "MAP_GROWSDOWN"},
     {abi::kMapNoReserve, "MAP_NORESERVE"},
     {abi::kMapPopulate, "MAP_POPULATE"},
     {abi::kMapStack, "MAP_STACK"},
     {abi::kMapDenyWrite, "MAP_DENYWRITE"},
     {abi::kMapFixedNoReplace, "MAP_FIXED_NOREPLACE"}}};

}  // namespace

void PrintArg(Task&, Fd fd, std::string& out) { absl::StrAppend(&out, fd.value); }
void PrintArg(Task&, DirFd fd, std::string& out) {
  if (fd.value == abi::kAtFdCwd) {
    out += "AT_FDCWD";
  } else {
    absl::StrAppend(&out, fd.value);
  }
}
void PrintArg(Task&, OpenFlags flags, std::string& out) {
  static constexpr const char* kModes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
  out += kModes[flags.value & abi::kOAccMode];
  PrintBits(flags.value & ~(abi::kOAccMode | abi::kOLargeFile), kOpenBits, out);
}
void PrintArg(Task&, FileMode mode, std::string& out) { absl::StrAppendFormat(&out, "0%03o", mode.value); }
void PrintArg(Task&, SignalNumber signal, std::string& out) {
  static constexpr const char* kNames[] = {
      "0",         "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
      "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
      "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
      "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};
  const auto n = static_cast<uint32_t>(signal.value);
  if (n < std::size(kNames)) {
    out += kNames[n];
  } else {
    absl::StrAppendFormat(&out, "SIG%d", signal.value);
  }
}
void PrintArg(Task&, MmapProt prot, std::string& out) {
  if (prot.value == 0) {
    out += "PROT_NONE";
    return;
  }
  static constexpr std::array<std::pair<uint64_t, const char*>, 3> kBits = {
      {{abi::kProtRead, "PROT_READ"}, {abi::kProtWrite, "PROT_WRITE"}, {abi::kProtExec, "PROT_EXEC"}}};
  PrintBits(prot.value, kBits, out);
}
void PrintArg(Task&, MmapFlags flags, std::string& out) {
  static constexpr const char* kTypes[] = {"0", "MAP_SHARED", "MAP_PRIVATE", "MAP_SHARED_VALIDATE"};
  const uint64_t type = flags.value & abi::kMapTypeMask;
  out += type < std::size(kTypes) ? kTypes[type] : "MAP_?";
  PrintBits(flags.value & ~uint64_t{abi::kMapTypeMask}, kMapBits, out);
}
void PrintArg(Task&, HexFlags flags, std::string& out) { absl::StrAppendFormat(&out, "%#x", flags.value); }
void PrintArg(Task&, Size size, std::string& out) { absl::StrAppend(&out, size.value); }
void PrintArg(Task& task, UserPath path, std::string& out) {
  const Result<std::string> text = CopyInString(task.mm(), path.addr(), kPathMax);
  if (!text.ok()) return PrintArg(task, path.addr(), out);
  absl::StrAppend(&out, "\"", absl::CHexEscape(text->substr(0, kMaxShownString)), "\"",
                  text->size() > kMaxShownString ? "..." : "");
}
void PrintArg(Task&, UserAddr addr, std::string& out) {
  if (addr.is_null()) {
    out += "NULL";
  } else {
    absl::StrAppendFormat(&out, "%#x", addr.value);
  }
}
void PrintSigned(int64_t value, std::string& out) { absl::StrAppend(&out, value); }
void PrintUnsigned(uint64_t value, std::string& out) { absl::StrAppend(&out, value); }

void StraceLine(Task& task, std::string_view line) {
  base::LogRaw(base::LogLevel::kFatal, "strace", 0, absl::StrFormat("[%d] %s: %s", task.tid(), task.name(), line));
}

std::string StraceResult(const SyscallResult& result) {
  if (const uint64_t* value = result.value_if()) {
    const bool address = *value > 0xffff;
    return address ? absl::StrFormat(" = %#x", *value) : absl::StrFormat(" = %d", static_cast<int64_t>(*value));
  }
  if (result.is_no_return()) return " = ?";
  if (const Errno* error = result.error_if()->errno_if()) return absl::StrFormat(" = -1 %s", base::ErrnoName(*error));
  static constexpr const char* kRestarts[] = {"ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND",
                                              "ERESTART_RESTARTBLOCK"};
  return absl::StrFormat(" = ? %s", kRestarts[static_cast<size_t>(*result.error_if()->restart_if())]);
}

}  // namespace sentry
