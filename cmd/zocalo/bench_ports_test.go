package main

import (
	"fmt"
	"testing"

	"zocalo/address"
)

// Connections leave from a port and those after it; what is no port is the system's to choose.
func TestSourcePorts(t *testing.T) {
	l, at := serverTCP(t)
	for first := 21000; ; first += 10 { // whichever is free
		a, err := address.Parse(fmt.Sprintf("%s,bind=127.0.0.1:%d", at, first))
		must(t, err)
		dial := dialling(a)
		s, err := dial(t.Context())
		if err != nil && first < 60000 {
			continue
		}
		must(t, err)
		defer s.Close()
		accepted(t, l)
		if next, err := dial(t.Context()); err == nil {
			defer next.Close()
			if got := next.Name().AddrPort().Port(); int(got) != first+1 {
				t.Errorf("the second leaves from %d; want %d", got, first+1)
			}
		} else if first < 60000 {
			continue
		}
		if got := s.Name().AddrPort().Port(); int(got) != first {
			t.Errorf("the first leaves from %d; want %d", got, first)
		}
		break
	}
	for text, want := range map[string]int{"": 0, "10.0.0.1": 0, "::1": 0, "[::1]:80": 80, ":80": 80, "10.0.0.1:80": 80, "/run/x": 0, "10.0.0.1:http": 0} {
		if _, port, has := sourcePort(text); port != want || has != (want > 0) {
			t.Errorf("%q: %d, %t", text, port, has)
		}
	}
}
