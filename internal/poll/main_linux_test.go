package poll_test

import (
	"zocalo/internal/poll"
)

func closePipes() { poll.ClosePipes() }
