package xns

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"
)

// The Time protocol, a client of Packet Exchange.
const (
	timeVersion  = 2
	timeRequest  = 1
	timeResponse = 2
	timeSize     = 24
	xeroxEpoch   = 2177452800 // seconds from 1901-01-01 to 1970-01-01
)

// A ServerTime is what a time server says.
type ServerTime struct {
	Server   Addr
	Time     time.Time // to the second, in a zone as the server says
	First    int       // day of the year from which summer time may apply; 0 if there is none
	Last     int       // and until which
	Accurate bool      // the server knows its error
	Error    uint32    // its greatest error, in milliseconds if it follows the standard
}

// Time asks a time server what time it is, up to 3 times, a second apart;
// ETIMEDOUT means that nobody answered, and ctx may end it earlier. A zero socket
// is the usual one, and a zero host all hosts on the link, of which the first to
// answer counts.
func (h *Host) Time(ctx context.Context, server Addr) (ServerTime, error) {
	if server.Socket == 0 {
		server.Socket = SocketTime
	}
	if server.Host.IsZero() {
		server.Host = Broadcast
	}
	from, reply, err := h.exchange(ctx, server, ClientTime, []byte{0, timeVersion, 0, timeRequest})
	if err != nil {
		return ServerTime{}, err
	}
	return parseTime(from, reply)
}

// Times asks every host on the link what time it is, and returns the servers
// that answer in that time, sorted by their hosts; at most 4096.
func (h *Host) Times(ctx context.Context, wait time.Duration) ([]ServerTime, error) {
	found := map[HostID]ServerTime{}
	request := exchangeRequest(rand.Uint32(), ClientTime, []byte{0, timeVersion, 0, timeRequest})
	err := h.survey(ctx, SocketTime, TypePEX, request, wait, func(from Addr, data []byte) {
		if reply, ok := exchangeReply(request, data); ok && len(found) < mostFound {
			if t, err := parseTime(from, reply); err == nil {
				found[from.Host] = t
			}
		}
	})
	return sortedByHost(found), err
}

func parseTime(from Addr, b []byte) (ServerTime, error) {
	word := func(i int) int { return int(binary.BigEndian.Uint16(b[i:])) }
	if len(b) < timeSize || word(0) != timeVersion || word(2) != timeResponse {
		return ServerTime{}, errors.New("the answer is not a Time protocol reply, version 2")
	}
	offset := word(10)*3600 + word(12)*60
	if offset >= 24*3600 {
		return ServerTime{}, errors.New("the answer's time zone is a day or more from UTC")
	}
	if word(8) == 0 { // west
		offset = -offset
	}
	at := time.Unix(int64(binary.BigEndian.Uint32(b[4:]))-xeroxEpoch, 0)
	return ServerTime{
		Server: from, Time: at.In(time.FixedZone("", offset)), First: word(14), Last: word(16),
		Accurate: word(18) != 0, Error: binary.BigEndian.Uint32(b[20:]),
	}, nil
}

// AnswerTime is the [Responder] of a time server. It gives the machine's time,
// in the zone of [time.Local] as it is now, summer time included, and does not
// know its error.
func AnswerTime(_ Addr, client uint16, request []byte) []byte {
	if client != ClientTime || len(request) < 4 || binary.BigEndian.Uint16(request[2:]) != timeRequest {
		return nil
	}
	now := time.Now()
	_, offset := now.Zone()
	east := 1
	if offset < 0 {
		east, offset = 0, -offset
	}
	b := make([]byte, timeSize)
	for i, v := range [...]int{timeVersion, timeResponse, 0, 0, east, offset / 3600, offset % 3600 / 60} {
		binary.BigEndian.PutUint16(b[2*i:], uint16(v))
	}
	binary.BigEndian.PutUint32(b[4:], uint32(now.Unix()+xeroxEpoch))
	return b
}
