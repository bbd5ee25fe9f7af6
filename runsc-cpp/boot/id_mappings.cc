#include "runsc-cpp/boot/id_mappings.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "sentry/vfs/credentials.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's
using base::Ok;
using base::Result;

// As uid_map has it.
std::string MapText(const IdMappings& mappings) {
  std::string text;
  for (const control::IdMapping& m : mappings) {
    absl::StrAppend(&text, m.container_id(), " ", m.host_id(), " ", m.size(), "\n");
  }
  return text;
}

}  // namespace

Result<IdMap> ToIdMap(const IdMappings& mappings) {
  return mappings.empty() ? Result<IdMap>(IdMap()) : IdMap::Parse(MapText(mappings));
}

Result<RefPtr<UserNamespace>> MakeUserNamespace(const IdMappings& uids, const IdMappings& gids) {
  auto ns = base::MakeRef<UserNamespace>(UserNamespace::Initial(), 0, NamespaceCharge());
  auto creds = base::MakeRef<Credentials>();
  creds->permitted = creds->effective = creds->bounding = CapabilitySet::All();
  TRY(ns->SetMap(UserNamespace::Which::kUid, MapText(uids), *creds, *creds));
  TRY(ns->SetMap(UserNamespace::Which::kGid, MapText(gids), *creds, *creds));
  return ns;
}

}  // namespace runsc
