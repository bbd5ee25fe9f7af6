// update: new limits for a container that is there.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/cmd/ram_size.h"
#include "runsc-cpp/container/operations.h"
#include "runsc-cpp/oci/lower.h"
#include "runsc-cpp/oci/parse.h"

namespace runsc {
namespace {

constexpr const char* kFlags[] = {"blkio-weight", "cpu-period", "cpu-quota", "cpu-burst", "cpu-share", "cpu-rt-period",
                                  "cpu-rt-runtime", "cpu-idle", "cpuset-cpus", "cpuset-mems", "memory",
                                  "memory-reservation", "memory-swap", "pids-limit",
                                  // Without effect since Linux has no such limits any more, as with runc.
                                  "kernel-memory", "kernel-memory-tcp", "l3-cache-schema", "mem-bw-schema"};

absl::StatusOr<std::string> ReadResources(const std::string& path) {
  const base::UniqueFd file(path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                        : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("--resources ", path));
  return ReadText(file.get(), kMaxStateFile);
}

absl::Status Invalid(const ParsedFlags& flags, absl::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat("invalid value for ", name, ": \"", flags.Value(name), "\""));
}

template <class Int>
absl::Status Number(const ParsedFlags& flags, absl::string_view name, auto store) {
  if (!flags.Has(name)) return absl::OkStatus();
  Int value;
  if (!absl::SimpleAtoi(flags.Value(name), &value)) return Invalid(flags, name);
  store(value);
  return absl::OkStatus();
}

// -1 is no limit.
absl::Status Size(const ParsedFlags& flags, absl::string_view name, auto store) {
  if (!flags.Has(name)) return absl::OkStatus();
  const std::optional<int64_t> bytes = flags.Value(name) == "-1" ? -1 : ParseRamSize(flags.Value(name));
  if (!bytes) return Invalid(flags, name);
  store(*bytes);
  return absl::OkStatus();
}

absl::Status ProcessorFlags(const ParsedFlags& flags, oci::LinuxResources& out) {
  absl::Status status;
  const auto cpu = [&]() -> oci::LinuxCPU& { return out.cpu ? *out.cpu : out.cpu.emplace(); };
  status.Update(Number<uint64_t>(flags, "cpu-period", [&](uint64_t v) { cpu().period = v; }));
  status.Update(Number<int64_t>(flags, "cpu-quota", [&](int64_t v) { cpu().quota = v; }));
  status.Update(Number<uint64_t>(flags, "cpu-burst", [&](uint64_t v) { cpu().burst = v; }));
  status.Update(Number<uint64_t>(flags, "cpu-share", [&](uint64_t v) { cpu().shares = v; }));
  status.Update(Number<int64_t>(flags, "cpu-rt-runtime", [&](int64_t v) { cpu().realtime_runtime = v; }));
  status.Update(Number<uint64_t>(flags, "cpu-rt-period", [&](uint64_t v) { cpu().realtime_period = v; }));
  status.Update(Number<int64_t>(flags, "cpu-idle", [&](int64_t v) { cpu().idle = v; }));
  if (flags.Has("cpuset-cpus")) cpu().cpus = flags.Value("cpuset-cpus");
  if (flags.Has("cpuset-mems")) cpu().mems = flags.Value("cpuset-mems");
  return status;
}

absl::Status FromFlags(const ParsedFlags& flags, oci::LinuxResources& out) {
  for (const char* name : {"l3-cache-schema", "mem-bw-schema"}) {
    if (flags.Has(name)) return absl::UnimplementedError(absl::StrCat("--", name, ": there is no Intel RDT"));
  }
  absl::Status status = ProcessorFlags(flags, out);
  const auto memory = [&]() -> oci::LinuxMemory& { return out.memory ? *out.memory : out.memory.emplace(); };
  status.Update(Size(flags, "memory", [&](int64_t v) { memory().limit = v; }));
  status.Update(Size(flags, "memory-reservation", [&](int64_t v) { memory().reservation = v; }));
  status.Update(Size(flags, "memory-swap", [&](int64_t v) { memory().swap = v; }));
  status.Update(Size(flags, "kernel-memory", [](int64_t) {}));
  status.Update(Size(flags, "kernel-memory-tcp", [](int64_t) {}));
  status.Update(Number<int64_t>(flags, "pids-limit", [&](int64_t v) { out.pids.emplace().limit = v; }));
  status.Update(Number<uint32_t>(flags, "blkio-weight", [&](uint32_t v) {
    if (v <= UINT16_MAX) out.block_io.emplace().weight = static_cast<uint16_t>(v);
  }));
  if (flags.Has("blkio-weight") && !out.block_io) return Invalid(flags, "blkio-weight");
  return status;
}

absl::StatusOr<int> Update(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  oci::LinuxResources resources;
  if (flags.Has("resources")) {
    const absl::StatusOr<std::string> text = ReadResources(flags.Value("resources"));
    if (!text.ok()) return text.status();
    absl::StatusOr<oci::Parsed<oci::LinuxResources>> parsed = oci::ParseResources(*text);
    if (!parsed.ok()) return parsed.status();
    resources = std::move(parsed->value);
  } else if (absl::Status s = FromFlags(flags, resources); !s.ok()) {
    return s;
  }
  absl::StatusOr<oci::LinuxResources> lowered = oci::LowerResources(resources, "resources");
  if (!lowered.ok()) return lowered.status();
  if (absl::Status s = UpdateContainer(runtime, flags.words()[0], *lowered); !s.ok()) return s;
  return 0;
}

}  // namespace

OciCommand UpdateOciCommand() {
  std::vector<FlagRule> flags = {{"resources", "r", FlagKind::kValue}};
  for (const char* name : kFlags) flags.push_back({name, "", FlagKind::kValue});
  return {.name = "update",
          .flags = std::move(flags),
          .least_words = 1,
          .most_words = 1,
          .usage = "[--resources FILE|-] [--memory BYTES] [--cpu-quota N] [--pids-limit N] ... ID",
          .run = Update};
}

}  // namespace runsc
