package socket_test

import "zocalo/internal/loop"

func init() { closeKept = loop.ClosePipes }
