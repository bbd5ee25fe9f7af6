// The config.json that `spec` writes for a start, as runc's.
#ifndef RUNSC_CPP_OCI_SPEC_TEMPLATE_H_
#define RUNSC_CPP_OCI_SPEC_TEMPLATE_H_

#include <cstdint>

#include "runsc-cpp/oci/spec.h"

namespace runsc::oci {

Spec TemplateSpec();

// For a caller without root rights, whose ids become the container's root.
Spec RootlessTemplateSpec(uint32_t uid, uint32_t gid);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_SPEC_TEMPLATE_H_
