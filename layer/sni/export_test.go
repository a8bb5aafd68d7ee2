package sni

import "time"

// SetHelloTime changes how long a client may take.
func SetHelloTime(d time.Duration) { helloTime = d }
