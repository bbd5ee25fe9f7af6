// Where a re-executed anchor finds what it was given.
#ifndef RUNSC_CPP_CONTAINER_ANCHOR_FDS_H_
#define RUNSC_CPP_CONTAINER_ANCHOR_FDS_H_

namespace runsc {

inline constexpr int kAnchorLinkFd = 3;

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_ANCHOR_FDS_H_
