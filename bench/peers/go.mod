module zocalo/bench/peers

go 1.26.0

require (
	golang.org/x/sys v0.49.0
	zocalo v0.0.0
)

replace zocalo => ../..
