package xns

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"
)

// Expedited Courier, a remote procedure call in one packet each way, as far as
// finding a Clearinghouse needs it.
const (
	courierVersion = 3
	courierCall    = 0
	courierReturn  = 2

	clearinghouseProgram = 2 // version 3
	retrieveAddresses    = 0 // its procedure

	mostAddresses = 40 // in an answer
)

// Clearinghouses asks every host on the link for servers of the Clearinghouse,
// the network's directory, by a broadcast for servers, and returns the
// addresses that they report in that time, sorted by their hosts; at most 4096.
func (h *Host) Clearinghouses(ctx context.Context, wait time.Duration) ([]Addr, error) {
	found := map[HostID]Addr{}
	id := rand.Uint32()
	call := courierMessage(courierCall, uint16(id))
	call = binary.BigEndian.AppendUint32(call, clearinghouseProgram)
	call = append(call, 0, 3, 0, retrieveAddresses)
	request := exchangeRequest(id, ClientClearinghouse, call)
	err := h.survey(ctx, SocketBfS, TypePEX, request, wait, func(_ Addr, data []byte) {
		reply, ok := exchangeReply(request, data)
		if !ok {
			return
		}
		list, err := parseAddresses(reply, uint16(id))
		for _, a := range list {
			if err == nil && len(found) < mostFound {
				found[a.Host] = a
			}
		}
	})
	return sortedByHost(found), err
}

// courierMessage is the head of a message: the versions of the protocol, its
// type, and the number of the call.
func courierMessage(kind, call uint16) (b []byte) {
	for _, v := range [...]uint16{courierVersion, courierVersion, kind, call} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// parseAddresses reads the answer to a call for addresses.
func parseAddresses(b []byte, call uint16) (list []Addr, err error) {
	head := courierMessage(courierReturn, call)
	if len(b) < len(head)+2 || string(b[:len(head)]) != string(head) {
		return nil, errors.New("the answer is not a Courier reply to this call")
	}
	b = b[len(head):]
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; n > mostAddresses || len(b) < n*addrSize {
		return nil, errors.New("the answer has fewer addresses than it says")
	}
	for range n {
		list = append(list, getAddr(b))
		b = b[addrSize:]
	}
	return list, nil
}
