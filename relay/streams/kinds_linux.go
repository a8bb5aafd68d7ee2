package streams

import (
	"zocalo/internal/sys"
	"zocalo/socket"
)

// Kind returns what a loop makes of streams of a kind.
func Kind(k socket.Kind) StreamKind {
	switch {
	case k.Domain == socket.Unix:
		return Unix
	case k.Domain != socket.VSock && k.Protocol == 0:
		return TCP
	}
	return Plain
}

// Listenings returns sockets that listen as a loop accepts from them. They
// stay their owner's, who must not accept.
func Listenings(sockets []*socket.Socket) (all []Listening) {
	for _, s := range sockets {
		d, _ := socket.As[socket.Descriptor](s)
		l := Listening{FD: d.FD(), Kind: Kind(s.Kind())}
		if l.Kind == TCP { // a unix socket gives it to none
			inline, errno := sys.GetInt(l.FD, sys.SOL_SOCKET, sys.SO_OOBINLINE)
			l.Inline = errno == 0 && inline != 0
		}
		all = append(all, l)
	}
	return all
}
