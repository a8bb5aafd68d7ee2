package xns

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"syscall"
	"time"

	"zocalo/socket"
)

// mostFound bounds what the answers of a network may fill.
const mostFound = 4096

// survey asks every host on the link, and gives each answer to take until the
// time is over. It asks three times in all, since some may be lost.
func (h *Host) survey(ctx context.Context, number uint16, kind uint8, request []byte, wait time.Duration, take func(from Addr, data []byte)) error {
	const tries = 3
	q := question{host: h, to: Addr{Host: Broadcast, Socket: number}, kind: kind, data: request, tries: tries, every: wait / tries}
	err := q.ask(ctx, func(from Addr, data []byte) bool {
		take(from, data)
		return false
	})
	if errors.Is(err, syscall.ETIMEDOUT) {
		return nil
	}
	return err
}

// sortedByHost returns what was found, by the numbers of hosts.
func sortedByHost[T any](found map[HostID]T) []T {
	list := make([]T, 0, len(found))
	for _, id := range slices.SortedFunc(maps.Keys(found), func(a, b HostID) int { return bytes.Compare(a[:], b[:]) }) {
		list = append(list, found[id])
	}
	return list
}

// A Present is a host that answered an Echo.
type Present struct {
	Addr               // the Echo socket that answered
	Took time.Duration // the round trip
}

// Who asks every host on the link for an Echo, and returns those that answer
// in that time, this one included, sorted; at most 4096.
func (h *Host) Who(ctx context.Context, wait time.Duration) ([]Present, error) {
	s, err := h.Socket(socket.Datagram)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := errors.Join(Broadcasting.Set(s, true), s.Connect(ctx, Addr{Host: Broadcast, Socket: SocketEcho}.Name())); err != nil {
		return nil, err
	}
	found := map[HostID]Present{}
	const tries = 3
	err = Ping{Count: tries, Interval: wait / (tries + 1), Patience: wait / (tries + 1)}.Run(ctx, s, func(e PingEvent) {
		if _, known := found[e.From.Host]; !known && e.Replies > 0 && len(found) < mostFound {
			found[e.From.Host] = Present{e.From, e.Took}
		}
	})
	return sortedByHost(found), err
}

// The operations of the Routing Information Protocol (XSIS 028112).
const (
	ripRequest  = 1
	ripResponse = 2
	ripInfinity = 16
	ripAll      = 0xffffffff // every network
	ripEntry    = 6          // bytes: network, hops
)

// A Route is a way to a network.
type Route struct {
	Net  uint32
	Hops int  // 1 is a network that Via is on itself; fewer than 16
	Via  Addr // the router
}

// Networks asks the routers on the link for the networks that they know, by
// the Routing Information Protocol, and collects answers for that long; more
// routers may answer. The list is sorted, and empty if no router answers.
func (h *Host) Networks(ctx context.Context, wait time.Duration) ([]Route, error) {
	request := binary.BigEndian.AppendUint16(nil, ripRequest)
	request = binary.BigEndian.AppendUint32(request, ripAll)
	request = binary.BigEndian.AppendUint16(request, ripInfinity)
	type way struct {
		net uint32
		via HostID
	}
	found := map[way]Route{}
	err := h.survey(ctx, SocketRIP, TypeRIP, request, wait, func(from Addr, data []byte) {
		for _, r := range parseRIP(data, from) {
			if len(found) < mostFound {
				found[way{r.Net, from.Host}] = r
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Net, b.Net), cmp.Compare(a.Hops, b.Hops), cmp.Compare(a.Via.Host.number(), b.Via.Host.number()))
	}), nil
}

// parseRIP returns the networks of a response that can be reached.
func parseRIP(data []byte, from Addr) (list []Route) {
	if len(data) < 2 || binary.BigEndian.Uint16(data) != ripResponse {
		return nil
	}
	for data = data[2:]; len(data) >= ripEntry; data = data[ripEntry:] {
		hops := int(binary.BigEndian.Uint16(data[4:]))
		if hops < ripInfinity {
			list = append(list, Route{binary.BigEndian.Uint32(data), hops, from})
		}
	}
	return list
}
