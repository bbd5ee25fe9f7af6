// Text as JSON writes it.
#ifndef RUNSC_CPP_OCI_QUOTE_H_
#define RUNSC_CPP_OCI_QUOTE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace runsc::oci {

// The length of the valid UTF-8 sequence that `text` begins with; 0: none.
size_t Utf8Length(std::string_view text);

// A string as Go's encoding/json writes it, quotes included; what is no UTF-8 becomes U+FFFD. Names and values in
// messages are written so, too.
std::string QuoteJson(std::string_view text);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_QUOTE_H_
