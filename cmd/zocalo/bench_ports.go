package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"zocalo"
	"zocalo/address"
	"zocalo/bench"
	"zocalo/socket"
	"zocalo/socket/option"
)

// dialling connects to an address, again and again. Where bind= has a port it is that of the
// first connection; each that follows has the next, since the one before may still rest.
func dialling(a address.Address) bench.Dial {
	text, _ := address.Bind.In(a.Settings)
	host, first, has := sourcePort(text)
	if !has || !a.Scheme.Port {
		return func(ctx context.Context) (*socket.Socket, error) { return zocalo.DialAddress(ctx, a) }
	}
	var made atomic.Int64
	return func(ctx context.Context) (*socket.Socket, error) {
		port := first + int(made.Add(1)) - 1
		if port > 65535 {
			return nil, fmt.Errorf("%s=%s: connection %d would need a port beyond 65535", address.Bind.Name, text, made.Load())
		}
		from := a
		from.Settings = slices.DeleteFunc(slices.Clone(a.Settings), func(s option.Setting) bool { return s.Spec == address.Bind.Spec })
		from.Settings = append(option.Settings{{Spec: option.ReuseAddress.Spec, Value: true}, {Spec: address.Bind.Spec, Value: host + ":" + strconv.Itoa(port)}}, from.Settings...)
		return zocalo.DialAddress(ctx, from)
	}
}

// sourcePort parts what bind= says, where it has a port.
func sourcePort(text string) (host string, port int, has bool) {
	colon := strings.LastIndexByte(text, ':')
	if _, err := netip.ParseAddr(text); err == nil || colon < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(text[colon+1:], 10, 16)
	return text[:colon], int(n), err == nil && n > 0
}
