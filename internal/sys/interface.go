package sys

import (
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// InterfaceIndex returns the index of a network interface, by its name or its number;
// 0 for "".
func InterfaceIndex(name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, fmt.Errorf("network interface %q: %w", name, syscall.ENODEV)
	}
	return i.Index, nil
}
