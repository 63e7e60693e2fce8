// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/slot_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/exec/control.h"
#include "millrace/exec/host_channel.h"
#include "millrace/exec/leftovers.h"
#include "millrace/exec/supervisor.h"

namespace millrace::exec {
namespace {

constexpr int kReadsAtOnce = 64;  // so that one chatty host cannot starve its neighbours
constexpr int kSupervisorEndMs = 5000;

struct SocketPair {
  UniqueFd ours;
  UniqueFd theirs;
};

absl::StatusOr<SocketPair> MakeSocketPair(int type) {
  int ends[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) return ErrnoStatus(errno, "socketpair for a slot");
  SocketPair pair;
  pair.ours.Reset(ends[0]);
  pair.theirs.Reset(ends[1]);
  return pair;
}

// `carried` (-1 = none) travels along and stays ours.
absl::Status SendControl(int socket, const ControlMessage& message, int carried) {
  iovec part{const_cast<ControlMessage*>(&message), sizeof message};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (carried >= 0) {
    header.msg_control = room;
    header.msg_controllen = sizeof room;
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &carried, sizeof carried);
  }
  while (sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return ErrnoStatus(errno, "tell the supervisor of a slot");
  }
  return absl::OkStatus();
}

void Command(const UniqueFd& control, ControlKind kind, std::int64_t value) {
  ControlMessage message;
  message.kind = kind;
  message.value = value;
  // A supervisor that cannot be told is dead, which TakeEvents finds out and answers by killing the tree.
  if (control.valid() && !SendControl(control.get(), message, -1).ok()) shutdown(control.get(), SHUT_RDWR);
}

ExitStatus WaitFor(pid_t pid) {
  int status = 0;
  pid_t waited;
  while ((waited = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
  }
  return waited == pid ? ExitStatusOfWait(status) : ExitStatus{};
}

}  // namespace

SlotProcess::SlotProcess(SlotOptions options)
    : options_(std::move(options)), mark_(NewSlotMark()), reader_(options_.max_frame) {}

SlotProcess::~SlotProcess() {
  control_.Reset();  // the supervisor's sign to end everything
  channel_.Reset();
  if (supervisor_.pid != 0) LoseSupervisor();
  cgroup_.Remove();  // of one that could not be started
}

absl::StatusOr<std::unique_ptr<SlotProcess>> SlotProcess::Start(SlotOptions options) {
  if (!SupervisorIsPossible()) {
    return FailedPrecondition("main() must begin with MaybeRunSupervisor(argc, argv), else no module can be run apart");
  }
  if (options.host_args.empty()) return InvalidArgument("a slot needs the arguments of its module host");
  std::unique_ptr<SlotProcess> slot(new SlotProcess(std::move(options)));
  MILLRACE_RETURN_IF_ERROR(slot->StartSupervisor());
  MILLRACE_RETURN_IF_ERROR(slot->RestartHost());
  return slot;
}

absl::Status SlotProcess::StartSupervisor() {
  MILLRACE_ASSIGN_OR_RETURN(SocketPair control, MakeSocketPair(SOCK_SEQPACKET));
  SpawnRequest request;
  request.program = "/proc/self/exe";  // also when the file has been replaced by a newer version meanwhile
  if (options_.cgroup) cgroup_ = Cgroup::Make(SlotCgroups(), mark_);
  request.argv = {program_invocation_name, kSupervisorWord, std::to_string(getpid()), cgroup_.folder()};
  request.argv.insert(request.argv.end(), options_.host_args.begin(), options_.host_args.end());
  request.env = options_.env;
  request.env[kSlotVariable] = mark_;
  if (const char* path = std::getenv("LD_LIBRARY_PATH")) request.env.try_emplace("LD_LIBRARY_PATH", path);
  request.directory = options_.directory;
  request.own_session = true;
  request.descriptors.emplace_back(control.theirs.get(), kControlFd);
  if (options_.output_fd >= 0) {
    request.descriptors.emplace_back(options_.output_fd, STDOUT_FILENO);
    request.descriptors.emplace_back(options_.output_fd, STDERR_FILENO);
  }
  MILLRACE_ASSIGN_OR_RETURN(supervisor_, Spawn(request));
  control_ = std::move(control.ours);
  return absl::OkStatus();
}

absl::Status SlotProcess::RestartHost() {
  if (!control_.valid()) return Unavailable("this slot has lost its supervisor");
  MILLRACE_ASSIGN_OR_RETURN(SocketPair channel, MakeSocketPair(SOCK_STREAM));
  ControlMessage message;
  message.kind = ControlKind::kStartHost;
  MILLRACE_RETURN_IF_ERROR(SendControl(control_.get(), message, channel.theirs.get()));
  channel_ = std::move(channel.ours);
  reader_ = FrameReader(options_.max_frame);
  unsent_.clear();
  sent_ = 0;
  return absl::OkStatus();
}

absl::Status SlotProcess::Send(std::string_view frame) {
  if (!channel_.valid()) return Unavailable("the module host of this slot is gone");
  MILLRACE_RETURN_IF_ERROR(CheckFrameSize(frame.size(), options_.max_frame));
  if (sent_ > 0 && sent_ >= unsent_.size() / 2) {
    unsent_.erase(0, sent_);
    sent_ = 0;
  }
  AppendFrame(frame, &unsent_);
  return Flush();
}

absl::Status SlotProcess::Flush() {
  while (wants_write()) {
    const ssize_t n = send(channel_.get(), unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return absl::OkStatus();
    if (n < 0) {
      const int error = errno;
      unsent_.clear();  // its last words can still be read
      sent_ = 0;
      return ErrnoStatus(error, "write to the module host");
    }
    sent_ += static_cast<std::size_t>(n);
  }
  unsent_.clear();
  sent_ = 0;
  return absl::OkStatus();
}

absl::Status SlotProcess::ReceiveAll(std::vector<std::string>* frames) {
  char buffer[65536];
  for (int reads = 0; channel_.valid() && reads < kReadsAtOnce; ++reads) {
    const ssize_t n = recv(channel_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {  // also ECONNRESET: the host was killed before it had read everything
      channel_.Reset();
      break;
    }
    if (absl::Status fed = reader_.Feed({buffer, static_cast<std::size_t>(n)}, frames); !fed.ok()) {
      channel_.Reset();
      return fed;
    }
    if (static_cast<std::size_t>(n) < sizeof buffer) break;  // empty now: poll says when there is more, or the end
  }
  return absl::OkStatus();
}

std::vector<SlotEvent> SlotProcess::TakeEvents() {
  std::vector<SlotEvent> events;
  while (control_.valid()) {
    ControlMessage message;
    const ssize_t n = recv(control_.get(), &message, sizeof message, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n != sizeof message) {
      events.emplace_back(LoseSupervisor());
      break;
    }
    switch (message.kind) {
      case ControlKind::kHostStarted:
        host_pid_ = static_cast<pid_t>(message.value);
        events.emplace_back(HostStarted{host_pid_});
        break;
      case ControlKind::kHostExited:
        dead_host_ = std::exchange(host_pid_, 0);
        events.emplace_back(HostExited{ExitStatus{message.code, message.signal}, message.value == 0});
        break;
      case ControlKind::kTreeEmpty:
        if (dead_host_ != 0) RemoveScratch(mark_, dead_host_);
        events.emplace_back(TreeEmpty{});
        break;
      case ControlKind::kOutOfMemory: events.emplace_back(OutOfMemory{message.value}); break;
      case ControlKind::kTreeSwept: events.emplace_back(TreeSwept{}); break;
      default: break;
    }
  }
  return events;
}

SupervisorLost SlotProcess::LoseSupervisor() {
  control_.Reset();
  if (host_pid_ != 0) dead_host_ = std::exchange(host_pid_, 0);
  pollfd end{supervisor_.pidfd.get(), POLLIN, 0};
  int ready;
  while ((ready = poll(&end, 1, kSupervisorEndMs)) < 0 && errno == EINTR) {
  }
  if (ready == 0) kill(supervisor_.pid, SIGKILL);  // stopped, or stuck with something that it may not kill
  const pid_t pid = supervisor_.pid;
  const SupervisorLost lost{WaitFor(pid)};
  supervisor_.pid = 0;
  supervisor_.pidfd.Reset();
  // A supervisor that ended by itself left nothing. One that was killed could not.
  if (!(lost.status == ExitStatus{})) {
    cgroup_.Kill();
    KillMarked(mark_, pid);
  }
  cgroup_.KillAndRemove();
  if (dead_host_ != 0) RemoveScratch(mark_, dead_host_);
  return lost;
}

void SlotProcess::TerminateTree(Duration grace) { Command(control_, ControlKind::kTerminate, grace.count()); }
void SlotProcess::KillTree() { Command(control_, ControlKind::kKill, 0); }
void SlotProcess::LimitMemory(std::int64_t bytes) { Command(control_, ControlKind::kLimit, bytes); }
void SlotProcess::SweepTree() { Command(control_, ControlKind::kSweep, 0); }

}  // namespace millrace::exec
