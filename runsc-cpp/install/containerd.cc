#include "runsc-cpp/install/containerd.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/install/toml_edit.h"

namespace runsc {
namespace {

constexpr char kRuncShim[] = "io.containerd.runc.v2";
constexpr char kOwnShim[] = "io.containerd.runsc-cpp.v1";
constexpr absl::string_view kMark = "# Added by `runsc-cpp install`.\n";
constexpr int kNewest = 3;

// The table of runtimes, whose place the file's version decides.
TomlKey RuntimesOf(int version) {
  switch (version) {
    case 1:
      return {"plugins", "cri", "containerd", "runtimes"};
    case 2:
      return {"plugins", "io.containerd.grpc.v1.cri", "containerd", "runtimes"};
    default:
      return {"plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes"};
  }
}

absl::StatusOr<int> VersionOf(absl::string_view text, const TomlOutline& outline) {
  const auto* const found = outline.Find({"version"});
  if (found == nullptr) return 1;  // containerd's rule
  const absl::string_view value = text.substr(found->value_begin, found->value_end - found->value_begin);
  int version;
  if (absl::SimpleAtoi(value, &version) && version >= 1 && version <= kNewest) return version;
  return absl::FailedPreconditionError(
      absl::StrCat("version = ", value, " is not known: 1 to ", kNewest, " are supported"));
}

// A value where tables must go, such as `runtimes = {...}`, can't be added to.
absl::Status CheckNoValueAbove(const TomlOutline& outline, const TomlKey& key) {
  for (const auto& assignment : outline.assignments()) {
    if (IsPrefix(assignment.key, key)) {
      return absl::FailedPreconditionError(absl::StrCat(FormatTomlKey(assignment.key),
                                                        " is an inline table or value: write it as [",
                                                        FormatTomlKey(assignment.key), "] first"));
    }
  }
  return absl::OkStatus();
}

// Our tables given by dotted keys of another one would stay.
absl::Status CheckNoDottedKeys(const TomlOutline& outline, const TomlKey& key) {
  for (const auto& assignment : outline.assignments()) {
    if (!IsPrefix(key, assignment.key)) continue;
    bool in_own_table = false;
    for (const auto& table : outline.tables()) {
      in_own_table |=
          table.begin <= assignment.value_begin && assignment.value_begin < table.end && IsPrefix(key, table.key);
    }
    if (!in_own_table) {
      return absl::FailedPreconditionError(
          absl::StrCat(FormatTomlKey(assignment.key), " is written as a dotted key: remove it first"));
    }
  }
  return absl::OkStatus();
}

struct Place {
  TomlKey key;
  bool has_version = true;
  std::string rest;  // the file without our tables
};

absl::StatusOr<Place> Prepare(absl::string_view text, absl::string_view name) {
  const auto outline = TomlOutline::Of(text);
  if (!outline.ok()) return outline.status();
  Place place;
  const bool blank = outline->tables().empty() && outline->assignments().empty();
  absl::StatusOr<int> version = VersionOf(text, *outline);
  if (!version.ok()) return version.status();
  place.has_version = !blank;
  if (blank) version = 2;  // what containerd 1.5 to 2 all read
  place.key = RuntimesOf(*version);
  place.key.push_back(std::string(name));
  if (absl::Status s = CheckNoValueAbove(*outline, place.key); !s.ok()) return s;
  if (absl::Status s = CheckNoDottedKeys(*outline, place.key); !s.ok()) return s;
  place.rest = RemoveTables(text, *outline, place.key, kMark);
  return place;
}

}  // namespace

absl::StatusOr<std::string> AddToContainerd(absl::string_view text, const RuntimeEntry& entry) {
  auto place = Prepare(text, entry.name);
  if (!place.ok()) return place.status();
  std::string out = std::move(place->rest);
  if (!out.empty() && !absl::EndsWith(out, "\n")) out += "\n";
  if (!place->has_version) absl::StrAppend(&out, "version = 2\n");
  TomlKey key = place->key;
  absl::StrAppend(&out, "\n", kMark, "[", FormatTomlKey(key), "]\n",
                  "  runtime_type = ", QuoteToml(entry.own_shim ? kOwnShim : kRuncShim), "\n");
  key.push_back("options");
  const std::string options = absl::StrCat("  [", FormatTomlKey(key), "]\n");
  if (entry.own_shim && !entry.shim_options.empty()) {
    absl::StrAppend(&out, options, "    ConfigPath = ", QuoteToml(entry.shim_options), "\n");
  } else if (!entry.own_shim) {
    absl::StrAppend(&out, options, "    BinaryName = ", QuoteToml(entry.binary), "\n");
    if (entry.systemd_cgroup) absl::StrAppend(&out, "    SystemdCgroup = true\n");
  }
  return out;
}

absl::StatusOr<std::string> RemoveFromContainerd(absl::string_view text, absl::string_view name) {
  auto place = Prepare(text, name);
  if (!place.ok()) return place.status();
  return std::move(place->rest);
}

}  // namespace runsc
