// /proc/PID/{uid_map,gid_map,projid_map,setgroups} (Linux's user_namespace.c).
#include "absl/strings/str_format.h"
#include "sentry/fs/proc/proc_rows.h"

namespace sentry {
namespace {

using Which = UserNamespace::Which;

Result<RefPtr<UserNamespace>> NsOf(const ProcRequest& r) { return TRY(SnapshotOf(r)).creds->user_ns; }

// The lower ids are those of who looks, or of the parent where that is the same one.
Result<std::string> MapText(const ProcRequest& r, Which which) {
  const RefPtr<UserNamespace> ns = TRY(NsOf(r));
  const UserNamespace* lower = r.opened_by().user_ns.get();
  if (lower == ns.get() && !ns->is_initial()) lower = ns->parent().get();
  std::string out;
  for (const IdMap::Extent& e : ns->map(which).extents()) {
    absl::StrAppendFormat(&out, "%10u %10u %10u\n", e.first, lower->map(which).Up(e.lower), e.count);
  }
  return out;
}

Result<void> WriteMap(const ProcRequest& r, Which which, std::string_view text) {
  if (r.offset != 0 || r.size >= kPageSize) return Errno::kEINVAL;
  const RefPtr<UserNamespace> ns = TRY(NsOf(r));
  return ns->SetMap(which, text, r.opened_by(), *r.ctx.creds);
}

}  // namespace

Result<std::string> UidMapText(const ProcRequest& r) { return MapText(r, Which::kUid); }
Result<std::string> GidMapText(const ProcRequest& r) { return MapText(r, Which::kGid); }
Result<std::string> ProjidMapText(const ProcRequest& r) { return MapText(r, Which::kProjid); }
Result<void> WriteUidMap(const ProcRequest& r, std::string_view text) { return WriteMap(r, Which::kUid, text); }
Result<void> WriteGidMap(const ProcRequest& r, std::string_view text) { return WriteMap(r, Which::kGid, text); }
Result<void> WriteProjidMap(const ProcRequest& r, std::string_view text) { return WriteMap(r, Which::kProjid, text); }

Result<std::string> SetgroupsText(const ProcRequest& r) {
  return std::string(TRY(NsOf(r))->setgroups_allowed() ? "allow\n" : "deny\n");
}

Result<void> WriteSetgroups(const ProcRequest& r, std::string_view text) {
  constexpr size_t kMaxSize = 8;
  if (r.offset != 0 || r.size >= kMaxSize) return Errno::kEINVAL;
  const RefPtr<UserNamespace> ns = TRY(NsOf(r));
  text = text.substr(0, text.find('\0'));
  const bool allow = text.starts_with("allow");
  if (!allow && !text.starts_with("deny")) return Errno::kEINVAL;
  text.remove_prefix(allow ? 5 : 4);
  if (text.find_first_not_of(" \t\n\v\f\r") != std::string_view::npos) return Errno::kEINVAL;
  return ns->SetSetgroups(allow);
}

}  // namespace sentry
