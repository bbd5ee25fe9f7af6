// How results are printed: as lines for people, or as one JSON object a line for test/syscalls/run.
#include "test/syscalls/harness/state.h"
#include "test/syscalls/harness/test.h"

namespace st {
namespace {

void Print(const std::string& s) {
  size_t done = 0;
  while (done < s.size()) {
    ssize_t n = write(1, s.data() + done, s.size() - done);
    if (n <= 0) return;
    done += n;
  }
}

std::string Quote(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20 || u >= 0x7f) {
      char b[8];
      snprintf(b, sizeof b, "\\u%04x", u);
      out += b;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

const char* Word(Result::Verdict v) {
  switch (v) {
    case Result::Verdict::kPass:
      return "pass";
    case Result::Verdict::kSkip:
      return "skip";
    default:
      return "fail";
  }
}

}  // namespace

void ReportStart(const RunOptions& o, const Case& c) {
  if (o.json) Print("{\"start\":" + Quote(c.Name()) + "}\n");
}

void ReportResult(const RunOptions& o, const Case& c, const Result& r) {
  if (o.json) {
    Print("{\"case\":" + Quote(c.Name()) + ",\"program\":" + Quote(c.Program()) + ",\"result\":\"" + Word(r.verdict) +
          "\",\"ms\":" + std::to_string(r.ms) + ",\"reason\":" + Quote(r.reason) + ",\"output\":" + Quote(r.output) +
          "}\n");
    return;
  }
  std::string text;
  if (r.verdict == Result::Verdict::kFail) text = r.output;
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += std::string(Word(r.verdict)) + " " + c.Name() + " " + std::to_string(r.ms) + "ms";
  if (!r.reason.empty()) text += " " + r.reason;
  Print(text + "\n");
}

}  // namespace st
