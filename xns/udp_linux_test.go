package xns

import (
	"context"
	"fmt"
	"testing"
)

// A link that listens on all addresses answers by the one that was asked: who is
// connected hears no other.
func TestUDPAnswersAsAsked(t *testing.T) {
	b := must[Link](t)(OpenLink(context.Background(), "udp-listen:0.0.0.0:0", idB)).(*udp)
	a := must[Link](t)(OpenLink(context.Background(), fmt.Sprintf("udp:127.0.0.2:%d", b.s.Name().AddrPort().Port()), idA))
	h := hosts{NewHost(a), NewHost(b)}
	defer h.close()
	reach(t, h)
}
