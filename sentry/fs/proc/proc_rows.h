// The tables that say what proc holds: one row a file, its text by a function.
#ifndef SENTRY_FS_PROC_PROC_ROWS_H_
#define SENTRY_FS_PROC_PROC_ROWS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sentry/fs/proc/process_view.h"

namespace sentry {

// Which task a file is about; tgid 0: the system.
struct ProcTask {
  int32_t tgid = 0;
  int32_t tid = 0;
  uint64_t serial = 0;
  bool thread = false;  // task/TID/ rather than PID/
};

struct ProcRequest {
  const VfsContext& ctx;  // of the reader
  ProcessView& view;
  ProcTask task;
  const Credentials* opener = nullptr;  // who opened the file; null: the reader
  // A write's place, and how much the caller wants to write in all.
  uint64_t offset = 0;
  size_t size = 0;

  const Credentials& opened_by() const { return opener != nullptr ? *opener : *ctx.creds; }
};

struct ProcFileRow {
  const char* name;
  uint32_t mode;  // permission bits
  Result<std::string> (*read)(const ProcRequest&);
  Result<void> (*write)(const ProcRequest&, std::string_view) = nullptr;
  // Opening asks for leave to trace the task (EACCES).
  bool guarded = false;
  // In PID/ but not in task/TID/.
  bool process_only = false;
  // What opening it for writing asks for besides.
  Result<void> (*may_write)(const ProcRequest&) = nullptr;
  // Null: it is always there. For static directories alone.
  bool (*present)(ProcessView&) = nullptr;
};

// A directory of system files: /proc/sys and what is below it.
struct ProcDirRow {
  const char* name;
  std::span<const ProcFileRow> files;
  std::span<const ProcDirRow> dirs;
};

std::span<const ProcFileRow> SystemFileRows();   // of /proc
std::span<const ProcFileRow> ProcessFileRows();  // of /proc/PID
std::span<const ProcDirRow> SystemDirRows();     // /proc/{sys,sysvipc}
std::span<const ProcDirRow> SysNetDirRows();     // /proc/sys/net/*
const ProcDirRow& NetDirRow();                   // /proc/PID/net

// --- Generators that have files of their own ---
Result<std::string> CpuInfoText(const ProcRequest& r);
Result<std::string> MapsText(const ProcRequest& r);
Result<std::string> SmapsText(const ProcRequest& r);
Result<std::string> SmapsRollupText(const ProcRequest& r);
Result<std::string> TaskStatText(const ProcRequest& r);
Result<std::string> StatmText(const ProcRequest& r);
Result<std::string> StatusText(const ProcRequest& r);
Result<std::string> LimitsText(const ProcRequest& r);
Result<std::string> MountInfoText(const ProcRequest& r);
Result<std::string> MountsText(const ProcRequest& r);
std::string FdInfoText(const ProcRequest& r, const OpenFd& open);

// --- id_maps.cc ---
Result<std::string> UidMapText(const ProcRequest& r);
Result<std::string> GidMapText(const ProcRequest& r);
Result<std::string> ProjidMapText(const ProcRequest& r);
Result<std::string> SetgroupsText(const ProcRequest& r);
Result<void> WriteUidMap(const ProcRequest& r, std::string_view text);
Result<void> WriteGidMap(const ProcRequest& r, std::string_view text);
Result<void> WriteProjidMap(const ProcRequest& r, std::string_view text);
Result<void> WriteSetgroups(const ProcRequest& r, std::string_view text);

// --- Helpers ---
// ESRCH once the task is gone.
Result<TaskSnapshot> SnapshotOf(const ProcRequest& r);
// Linux's ptrace_may_access(PTRACE_MODE_READ_FSCREDS).
bool MayTrace(const VfsContext& ctx, const TaskSnapshot& target);
// The octal escapes of mangle_path and seq_path.
std::string Escaped(std::string_view text, std::string_view which);
// "0-3,5" of an ascending list.
std::string CpuListText(std::span<const uint32_t> cpus);
// "0000000f", groups of 32 bits with commas.
std::string CpuMaskText(std::span<const uint32_t> cpus);

}  // namespace sentry

#endif  // SENTRY_FS_PROC_PROC_ROWS_H_
