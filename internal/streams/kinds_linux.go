package streams

import (
	"zocalo/internal/loop"
	"zocalo/socket"
)

// Kind returns what a loop makes of streams of a kind.
func Kind(k socket.Kind) loop.StreamKind {
	switch {
	case k.Domain == socket.Unix:
		return loop.Unix
	case k.Domain != socket.VSock && k.Protocol == 0:
		return loop.TCP
	}
	return loop.Plain
}

// Listenings returns sockets that listen as a loop accepts from them; inline
// says that OOBInline was set on them before they listened. They stay their
// owner's, who must not accept.
func Listenings(sockets []*socket.Socket, inline bool) (all []loop.Listening) {
	for _, s := range sockets {
		d, _ := socket.As[socket.Descriptor](s)
		l := loop.Listening{FD: d.FD(), Kind: Kind(s.Kind())}
		l.Inline = inline && l.Kind == loop.TCP // a unix socket gives it to none
		all = append(all, l)
	}
	return all
}
