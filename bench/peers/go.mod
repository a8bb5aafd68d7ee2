module zocalo/bench/peers

go 1.26.0
