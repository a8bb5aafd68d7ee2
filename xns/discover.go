package xns

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"syscall"
	"time"
)

// The operations of the Routing Information Protocol (XSIS 028112).
const (
	ripRequest  = 1
	ripResponse = 2
	ripInfinity = 16
	ripAll      = 0xffffffff // every network
	ripEntry    = 6          // octets: network, hops
)

// A Route is a way to a network.
type Route struct {
	Net  uint32
	Hops int  // 1 is a network that Via is on itself; fewer than 16
	Via  Addr // the router
}

// Networks asks the routers on the link for the networks that they know, by
// the Routing Information Protocol, and collects answers for that long; more
// routers may answer. The list is sorted, and empty if nobody knows anything.
func (h *Host) Networks(ctx context.Context, wait time.Duration) ([]Route, error) {
	request := binary.BigEndian.AppendUint16(nil, ripRequest)
	request = binary.BigEndian.AppendUint32(request, ripAll)
	request = binary.BigEndian.AppendUint16(request, ripInfinity)
	q := question{host: h, to: Addr{Host: Broadcast, Socket: SocketRIP}, kind: TypeRIP, data: request, tries: 1, every: wait}
	type way struct {
		net uint32
		via HostID
	}
	found := map[way]Route{}
	err := q.ask(ctx, func(from Addr, data []byte) bool {
		for _, r := range parseRIP(data, from) {
			if len(found) < 1<<16 {
				found[way{r.Net, from.Host}] = r
			}
		}
		return false
	})
	if err != nil && !errors.Is(err, syscall.ETIMEDOUT) {
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

// Who asks every host on the link for an Echo, and returns those that answer
// in that time, sorted; at most 4096.
func (h *Host) Who(ctx context.Context, wait time.Duration) ([]Addr, error) {
	q := question{host: h, to: Addr{Host: Broadcast, Socket: SocketEcho}, kind: TypeEcho, data: []byte{0, echoRequest, 'w', 'h', 'o', '?'}, tries: 1, every: wait}
	found := map[HostID]Addr{}
	err := q.ask(ctx, func(from Addr, data []byte) bool {
		if len(data) > 1 && data[1] == echoReply {
			found[from.Host] = from
		}
		return len(found) == 4096
	})
	if err != nil && !errors.Is(err, syscall.ETIMEDOUT) {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Addr) int { return cmp.Compare(a.Host.number(), b.Host.number()) }), nil
}

// The Time protocol, a client of Packet Exchange.
const (
	timeVersion  = 2
	timeRequest  = 1
	timeResponse = 2
	timeSize     = 24
	xeroxEpoch   = 2177452800 // seconds from 1901-01-01 to 1970-01-01
)

// Time asks a time server what time it is. A zero socket is the usual one, and
// a zero host all hosts on the link, of which the first to answer counts. The
// time is to the second, as the server sent it, in a zone as the server says.
func (h *Host) Time(ctx context.Context, server Addr) (time.Time, error) {
	if server.Socket == 0 {
		server.Socket = SocketTime
	}
	if server.Host.IsZero() {
		server.Host = Broadcast
	}
	reply, err := h.Exchange(ctx, server, ClientTime, []byte{0, timeVersion, 0, timeRequest})
	if err != nil {
		return time.Time{}, err
	}
	return parseTime(reply)
}

func parseTime(b []byte) (time.Time, error) {
	word := func(i int) int { return int(binary.BigEndian.Uint16(b[i:])) }
	if len(b) < timeSize || word(0) != timeVersion || word(2) != timeResponse {
		return time.Time{}, errors.New("the answer is not one of the Time protocol, version 2")
	}
	offset := word(10)*3600 + word(12)*60
	if word(8) == 0 { // west
		offset = -offset
	}
	at := time.Unix(int64(binary.BigEndian.Uint32(b[4:]))-xeroxEpoch, 0)
	return at.In(time.FixedZone("", offset)), nil
}

// AnswerTime is the [Responder] of a time server. It tells the machine's time,
// in UTC, without daylight saving time.
func AnswerTime(_ Addr, client uint16, request []byte) []byte {
	if client != ClientTime || len(request) < 4 || binary.BigEndian.Uint16(request[2:]) != timeRequest {
		return nil
	}
	b := make([]byte, timeSize)
	binary.BigEndian.PutUint16(b, timeVersion)
	binary.BigEndian.PutUint16(b[2:], timeResponse)
	binary.BigEndian.PutUint32(b[4:], uint32(time.Now().Unix()+xeroxEpoch))
	return b
}
