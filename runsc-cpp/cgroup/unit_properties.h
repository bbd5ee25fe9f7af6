// The properties of a container's systemd unit, as runc sets them.
#ifndef RUNSC_CPP_CGROUP_UNIT_PROPERTIES_H_
#define RUNSC_CPP_CGROUP_UNIT_PROPERTIES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/cgroup/layout.h"
#include "runsc-cpp/cgroup/location.h"
#include "runsc-cpp/dbus/message.h"
#include "runsc-cpp/oci/resources.h"

namespace runsc::cgroup {

using Properties = std::vector<dbus::Property>;

// What a new unit gets. `pid` 0: none, which only a slice may have.
Properties NewUnitProperties(const Location& location, Mode mode, bool rootless, pid_t pid);

// From linux.resources. What systemd of that version has no property for is
// written to the cgroup's files alone.
absl::StatusOr<Properties> ResourcePropertiesV1(const oci::LinuxResources& resources, int version);
absl::StatusOr<Properties> ResourcePropertiesV2(const oci::LinuxResources& resources, int version);

// From annotations "org.systemd.property.NAME": the value is in GVariant's text
// form. Names that end in Sec become USec, in microseconds.
absl::StatusOr<Properties> AnnotationProperties(const std::map<std::string, std::string>& annotations);

// Booleans, numbers (`uint64 5`), strings and arrays of strings.
absl::StatusOr<dbus::Value> ParseVariantText(absl::string_view text);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_UNIT_PROPERTIES_H_
