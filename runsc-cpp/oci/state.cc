#include "runsc-cpp/oci/state.h"

#include <time.h>

#include <algorithm>

#include "runsc-cpp/oci/fields.h"
#include "runsc-cpp/oci/text.h"
#include "runsc-cpp/oci/writer.h"

namespace runsc::oci {

// Out of the anonymous namespace: they are looked up by their arguments.
struct HookState {
  const ContainerState& state;
};

template <class V>
void Fields(V& v, const ContainerState& s) {
  v.Always("ociVersion", s.version);
  v.Always("id", s.id);
  v.Always("pid", s.pid);
  v.Always("status", s.status);
  v.Always("bundle", s.bundle);
  v.Always("rootfs", s.rootfs);
  v.Always("created", Timestamp(s.created_ns));
  v.Optional("annotations", s.annotations);
  v.Always("owner", s.owner);
}

template <class V>
void Fields(V& v, const HookState& s) {
  v.Always("ociVersion", s.state.version);
  v.Always("id", s.state.id);
  v.Always("status", s.state.status);
  v.Optional("pid", s.state.pid);
  v.Always("bundle", s.state.bundle);
  v.Optional("annotations", s.state.annotations);
}

namespace {

// Go's text/tabwriter with a cell's least width 12 and 3 spaces between; the
// last column stays as it is.
std::string Table(const std::vector<std::vector<std::string>>& rows) {
  constexpr size_t kLeast = 12, kPadding = 3;
  std::vector<size_t> widths(rows[0].size() - 1, kLeast);
  for (const auto& row : rows) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size() + kPadding);
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < widths.size(); ++i) out += row[i] + std::string(widths[i] - row[i].size(), ' ');
    out += row.back() + "\n";
  }
  return out;
}

}  // namespace

std::string Timestamp(int64_t since_1970_ns) {
  constexpr int64_t kNsPerSecond = 1'000'000'000;
  const time_t seconds = since_1970_ns / kNsPerSecond;
  tm utc = {};
  gmtime_r(&seconds, &utc);
  char date[64];
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  std::string fraction = std::to_string(kNsPerSecond + since_1970_ns % kNsPerSecond).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return Cat(date, fraction.empty() ? "" : ".", fraction, "Z");
}

std::string StateToJson(const ContainerState& state) { return ToJson(state, "  "); }
std::string StateForHook(const ContainerState& state) { return ToJson(HookState{state}, ""); }

std::string ListToJson(const std::vector<ContainerState>& containers) {
  // Go's nil slice.
  return containers.empty() ? "null\n" : ToJson(containers, "") + "\n";
}

std::string ListToTable(const std::vector<ContainerState>& containers) {
  std::vector<std::vector<std::string>> rows = {{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const ContainerState& c : containers) {
    rows.push_back({c.id, std::to_string(c.pid), c.status, c.bundle, Timestamp(c.created_ns), c.owner});
  }
  return Table(rows);
}

std::string PidsToJson(const std::vector<int64_t>& pids) { return pids.empty() ? "null" : ToJson(pids, ""); }

}  // namespace runsc::oci
