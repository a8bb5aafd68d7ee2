package option

import (
	"zocalo/codec"
	"zocalo/socket"
)

// UnlinkClose says whether the file of a unix socket that listens by an address is
// removed when the socket is closed, which is the default. It may
// be set at any time, for example before another program takes over a duplicate of the
// descriptor: SetUnlinkOnClose of a *net.UnixListener.
var UnlinkClose = New(Spec{
	Name: "unlink-close", Phase: Naming, Default: "on",
	Doc: "remove the file that the socket was bound to when it is closed",
}, codec.Flag, func(e socket.Endpoint, on bool) error {
	k, err := fileKeeperOf(e)
	if err == nil {
		k.KeepFile(!on)
	}
	return err
}, func(e socket.Endpoint) (bool, error) {
	k, err := fileKeeperOf(e)
	return err == nil && !k.KeepsFile(), err
})

// A fileKeeper can leave the file of its socket where it is.
type fileKeeper interface {
	KeepFile(bool)
	KeepsFile() bool
}

func fileKeeperOf(e socket.Endpoint) (fileKeeper, error) {
	k, ok := socket.Beneath[fileKeeper](e)
	if !ok || e.Name().Domain() != socket.Unix {
		return nil, &socket.UnsupportedError{Feature: "unlink-close", Needs: "a unix socket with a name"}
	}
	return k, nil
}
