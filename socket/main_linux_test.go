package socket_test

import "zocalo/internal/poll"

func init() { closeKept = poll.ClosePipes }
