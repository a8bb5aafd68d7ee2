package loop_test

import "zocalo/internal/loop"

func closePipes() { loop.ClosePipes() }
