// What config.json says of ids, as the guest's kernel has it.
#ifndef RUNSC_CPP_BOOT_ID_MAPPINGS_H_
#define RUNSC_CPP_BOOT_ID_MAPPINGS_H_

#include "base/result.h"
#include "sentry/control/control.pb.h"
#include "sentry/vfs/user_namespace.h"

namespace runsc {

using IdMappings = google::protobuf::RepeatedPtrField<sentry::control::IdMapping>;

// None: an empty map. EINVAL.
base::Result<sentry::IdMap> ToIdMap(const IdMappings& mappings);

// Whose ids outside are the host's. EINVAL: no mappings, or what a user namespace does not take.
base::Result<base::RefPtr<sentry::UserNamespace>> MakeUserNamespace(const IdMappings& uids, const IdMappings& gids);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_ID_MAPPINGS_H_
