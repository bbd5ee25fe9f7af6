// Where a re-executed anchor finds what it was given.
#ifndef RUNSC_CPP_CONTAINER_ANCHOR_FDS_H_
#define RUNSC_CPP_CONTAINER_ANCHOR_FDS_H_

namespace runsc {

inline constexpr int kAnchorLinkFd = 3;
inline constexpr int kAnchorDirectoryFd = 4;  // the container's state directory; closed for an exec's

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_ANCHOR_FDS_H_
