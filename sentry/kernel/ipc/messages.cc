#include "sentry/kernel/ipc/messages.h"

#include "absl/strings/str_format.h"

namespace sentry {

Result<int32_t> MessageNamespace::Get(const IpcCaller& caller, int32_t key, uint32_t flags) {
  const auto check = [](const MessageQueue&) { return Ok(); };
  const auto make = [&](int64_t) -> Result<RefPtr<MessageQueue>> {
    IpcCharge charge = TRY(IpcCharge::Take(sizeof(MessageQueue)));
    return base::MakeRef<MessageQueue>(caller, owner_, key, flags, std::move(charge), limits.queue_bytes.load());
  };
  const auto limit = static_cast<int32_t>(limits.queues.load());
  return ids_.Get(caller, {.key = key, .flags = flags, .limit = limit}, check, make);
}

MessageNamespace::Info MessageNamespace::GetInfo(const IpcCaller& caller, int32_t command) const {
  abi::Msginfo info = {};
  info.mni = static_cast<int32_t>(limits.queues);
  info.max = static_cast<int32_t>(limits.message_bytes);
  info.mnb = static_cast<int32_t>(limits.queue_bytes);
  info.ssz = abi::kMsgSsz, info.seg = abi::kMsgSeg;
  const auto use = ids_.use();
  if (command != abi::kMsgInfo) {
    info.map = info.tql = abi::kMsgMnb, info.pool = abi::kMsgPool;
    return {.info = info, .max_index = use.max_index};
  }
  info.pool = use.count;
  for (const RefPtr<MessageQueue>& queue : ids_.All()) {
    const abi::MsqidDs stat = queue->Describe(*caller.creds.user_ns, caller.process.ns());
    info.map += static_cast<int32_t>(stat.qnum);
    info.tql += static_cast<int32_t>(stat.cbytes);
  }
  return {.info = info, .max_index = use.max_index};
}

std::string MessageNamespace::Text(const UserNamespace& seen_by, const PidNamespace& numbers) const {
  std::string out =
      "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime"
      "      ctime\n";
  for (const RefPtr<MessageQueue>& queue : ids_.All()) {
    const abi::MsqidDs stat = queue->Describe(seen_by, numbers);
    const abi::IpcPerm& perm = stat.perm;
    absl::StrAppendFormat(&out, "%10d %10d  %4o  %10u %10u %5u %5u %5u %5u %5u %5u %10u %10u %10u\n", perm.key,
                          queue->id(), perm.mode, stat.cbytes, stat.qnum, stat.lspid, stat.lrpid, perm.uid, perm.gid,
                          perm.cuid, perm.cgid, stat.stime, stat.rtime, stat.ctime);
  }
  return out;
}

}  // namespace sentry
