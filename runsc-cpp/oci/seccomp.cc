#include "runsc-cpp/oci/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <map>
#include <memory>

#include "runsc-cpp/oci/bpf_code.h"
#include "runsc-cpp/oci/json.h"
#include "runsc-cpp/oci/text.h"

namespace runsc::oci {
namespace {

struct Condition {
  std::vector<ArgTest> tests;
  uint32_t action = 0;
};

// What one call gets: the first condition that holds, else `otherwise`.
struct Decision {
  std::vector<const Condition*> conditions;
  std::optional<uint32_t> unconditional;
};

bool Same(const Decision& a, const Decision& b) {
  return a.unconditional == b.unconditional && (a.unconditional.has_value() || a.conditions == b.conditions);
}

// All numbers from `first` to the next range's.
struct Range {
  uint32_t first = 0;
  BpfCode code;
};

absl::StatusOr<uint32_t> Action(std::string_view name, std::optional<uint32_t> errno_ret, const std::string& path,
                                std::string_view errno_name) {
  const bool takes_errno = name == "SCMP_ACT_ERRNO" || name == "SCMP_ACT_TRACE";
  if (errno_ret.has_value() && !takes_errno) {
    return Invalid(path, ".", errno_name, ": ", *errno_ret, " has no meaning for ", name,
                   "; it goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE");
  }
  const uint32_t data = errno_ret.value_or(EPERM);
  if (name == "SCMP_ACT_ALLOW") return SECCOMP_RET_ALLOW;
  if (name == "SCMP_ACT_LOG") return SECCOMP_RET_LOG;
  if (name == "SCMP_ACT_TRAP") return SECCOMP_RET_TRAP;
  if (name == "SCMP_ACT_ERRNO") return SECCOMP_RET_ERRNO | data;
  if (name == "SCMP_ACT_TRACE") return SECCOMP_RET_TRACE | data;
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SECCOMP_RET_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SECCOMP_RET_KILL_PROCESS;
  return Invalid(path, ": ", QuoteJson(name), " is refused: no seccomp agent is served");
}

ArgOp Op(std::string_view name) {
  if (name == "SCMP_CMP_NE") return ArgOp::kNe;
  if (name == "SCMP_CMP_LT") return ArgOp::kLt;
  if (name == "SCMP_CMP_LE") return ArgOp::kLe;
  if (name == "SCMP_CMP_GE") return ArgOp::kGe;
  if (name == "SCMP_CMP_GT") return ArgOp::kGt;
  if (name == "SCMP_CMP_MASKED_EQ") return ArgOp::kMaskedEq;
  return ArgOp::kEq;
}

bool LetsThrough(uint32_t action) {
  const uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
  // A tracer is expected to answer for calls that it does not know.
  return kind == SECCOMP_RET_ALLOW || kind == SECCOMP_RET_LOG || kind == SECCOMP_RET_TRACE;
}

// As the kernel orders the results of several filters: the least is the strictest.
bool Stricter(const Condition* a, const Condition* b) {
  return static_cast<int32_t>(a->action & SECCOMP_RET_ACTION_FULL) <
         static_cast<int32_t>(b->action & SECCOMP_RET_ACTION_FULL);
}

class Compiler {
 public:
  Compiler(const LinuxSeccomp& seccomp, std::string_view path) : seccomp_(seccomp), path_(path) {}

  absl::StatusOr<BpfCode> Compile(std::vector<std::string>* unknown_names) {
    const auto action = Action(seccomp_.default_action, seccomp_.default_errno_ret, path_, "defaultErrnoRet");
    if (!action.ok()) return action.status();
    default_ = *action;
    for (size_t i = 0; i < seccomp_.syscalls.size(); ++i) {
      const absl::Status status = AddRule(seccomp_.syscalls[i], Cat(path_, ".syscalls[", i, "]"), unknown_names);
      if (!status.ok()) return status;
    }
    absl::StatusOr<std::vector<Range>> ranges = MakeRanges();
    if (!ranges.ok()) return ranges.status();
    BpfCode program = Assemble(Search(*ranges, 0, ranges->size()));
    if (program.size() > BPF_MAXINSNS) return TooLarge();
    return program;
  }

 private:
  absl::Status TooLarge() const {
    return Invalid(path_, ": makes more than ", BPF_MAXINSNS, " instructions, the most that Linux takes");
  }

  absl::Status AddRule(const LinuxSyscall& rule, const std::string& path, std::vector<std::string>* unknown_names) {
    const auto action = Action(rule.action, rule.errno_ret, path, "errnoRet");
    if (!action.ok()) return action.status();
    if (rule.names.empty()) return Invalid(path, ".names: must name a system call");
    if (rule.args.size() > 6) return Invalid(path, ".args: ", rule.args.size(), " items; a call has 6 arguments");
    const size_t first = conditions_.size();
    if (*action != default_) AddConditions(rule, *action);
    for (const std::string& name : rule.names) {
      const std::optional<uint32_t> number = SyscallNumber(name);
      if (!number.has_value()) {
        if (unknown_names != nullptr) unknown_names->push_back(name);
        continue;
      }
      newest_ = std::max(newest_.value_or(0), *number);
      if (*action == default_) continue;
      Decision& decision = decisions_[*number];
      if (rule.args.empty()) {
        if (!decision.unconditional.has_value()) decision.unconditional = *action;
        continue;
      }
      for (size_t i = first; i < conditions_.size(); ++i) decision.conditions.push_back(conditions_[i].get());
      if (decision.conditions.size() > BPF_MAXINSNS) return TooLarge();
    }
    return absl::OkStatus();
  }

  void AddConditions(const LinuxSyscall& rule, uint32_t action) {
    if (rule.args.empty()) return;
    std::vector<ArgTest> tests;
    uint32_t seen = 0;
    bool twice = false;
    for (const LinuxSeccompArg& arg : rule.args) {
      tests.push_back({arg.index, Op(arg.op), arg.value, arg.value_two});
      twice |= (seen & 1u << arg.index) != 0;
      seen |= 1u << arg.index;
    }
    if (!twice) {
      conditions_.push_back(std::make_unique<Condition>(Condition{std::move(tests), action}));
      return;
    }
    for (const ArgTest& test : tests) {
      conditions_.push_back(std::make_unique<Condition>(Condition{{test}, action}));
    }
  }

  BpfCode CodeOf(const Decision& decision) const {
    if (decision.unconditional.has_value()) return Return(*decision.unconditional);
    std::vector<const Condition*> conditions = decision.conditions;
    std::stable_sort(conditions.begin(), conditions.end(), Stricter);
    BpfCode code;
    for (const Condition* condition : conditions) {
      const BpfCode piece = ReturnIf(condition->tests, condition->action);
      code.insert(code.end(), piece.begin(), piece.end());
      if (code.size() > BPF_MAXINSNS) return code;
    }
    const BpfCode last = Return(default_);
    code.insert(code.end(), last.begin(), last.end());
    return code;
  }

  // Neighbours that get the same are one range.
  absl::StatusOr<std::vector<Range>> MakeRanges() const {
    std::vector<Range> ranges;
    const Decision rest;
    const Decision* before = nullptr;
    size_t size = 0;
    const uint32_t end = newest_.has_value() ? *newest_ + 1 : 0;
    for (uint32_t number = 0; number <= end; ++number) {
      const auto found = decisions_.find(number);
      const Decision& decision = found == decisions_.end() ? rest : found->second;
      if (before != nullptr && Same(decision, *before)) continue;
      ranges.push_back({number, CodeOf(decision)});
      size += ranges.back().code.size();
      if (size > BPF_MAXINSNS) return TooLarge();
      before = &decision;
    }
    const bool answers_enosys = default_ == (SECCOMP_RET_ERRNO | ENOSYS);
    if (newest_.has_value() && !LetsThrough(default_) && !answers_enosys) {
      if (ranges.back().first == end) ranges.pop_back();
      ranges.push_back({end, Return(SECCOMP_RET_ERRNO | ENOSYS)});
    }
    return ranges;
  }

  static BpfCode Search(const std::vector<Range>& ranges, size_t from, size_t to) {
    if (to - from == 1) return ranges[from].code;
    const size_t middle = from + (to - from) / 2;
    return IfAtLeast(ranges[middle].first, Search(ranges, middle, to), Search(ranges, from, middle));
  }

  bool HasArch(std::string_view name) const {
    return std::find(seccomp_.architectures.begin(), seccomp_.architectures.end(), name) !=
           seccomp_.architectures.end();
  }

  // The guest has no calls of i386 and x32, so rules for them say nothing:
  // where the profile lists them they get its default action, else libseccomp's
  // answer to a foreign architecture.
  BpfCode Assemble(const BpfCode& native) const {
    const BpfCode foreign = Return(SECCOMP_RET_KILL_THREAD);
    // -1 is how a tracer skips a call.
    BpfCode calls = LoadNumber();
    const BpfCode x32 = IfEqual(UINT32_MAX, Return(default_), HasArch("SCMP_ARCH_X32") ? Return(default_) : foreign);
    const BpfCode numbers = IfAtLeast(kX32Bit, x32, native);
    calls.insert(calls.end(), numbers.begin(), numbers.end());
    BpfCode program = LoadArch();
    const BpfCode other = HasArch("SCMP_ARCH_X86") ? IfEqual(AUDIT_ARCH_I386, Return(default_), foreign) : foreign;
    const BpfCode by_arch = IfEqual(AUDIT_ARCH_X86_64, calls, other);
    program.insert(program.end(), by_arch.begin(), by_arch.end());
    return program;
  }

  const LinuxSeccomp& seccomp_;
  const std::string path_;
  uint32_t default_ = 0;
  std::optional<uint32_t> newest_;  // the highest number that a rule names
  std::vector<std::unique_ptr<Condition>> conditions_;
  std::map<uint32_t, Decision> decisions_;
};

}  // namespace

absl::StatusOr<SeccompProgram> CompileSeccomp(const LinuxSeccomp& seccomp, std::string_view path,
                                              std::vector<std::string>* unknown_names) {
  SeccompProgram result;
  if (seccomp.default_action.empty()) {
    if (seccomp.syscalls.empty()) return result;
    return Invalid(path, ".defaultAction: must not be empty where there are rules");
  }
  for (const std::string& flag : seccomp.flags) {
    // TSYNC: there is one thread then. SPEC_ALLOW: the host decides on mitigations.
    if (flag == "SECCOMP_FILTER_FLAG_LOG") result.log = true;
    if (flag == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") {
      return Invalid(path, ".flags: ", flag, " is refused: no seccomp agent is served");
    }
  }
  absl::StatusOr<BpfCode> program = Compiler(seccomp, path).Compile(unknown_names);
  if (!program.ok()) return program.status();
  result.instructions = *std::move(program);
  return result;
}

}  // namespace runsc::oci
