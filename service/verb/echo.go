package verb

import (
	"fmt"
	"runtime"

	"zocalo/address"
	"zocalo/frame"
	"zocalo/relay"
	"zocalo/socket"
	"zocalo/socket/option"
)

// LectureAddress is where the lecture's echo server listens, and one that is told
// nothing else.
const LectureAddress = "tcp:127.0.0.1:5346"

// An Echo is the verb echo: servers that send back what they receive.
type Echo struct {
	Serving
	Once bool // ends with the first client
	Path relay.Path

	Addresses []address.Address
	Each      []Serving // what holds at each address

	options *Options
}

// Declare declares the options.
func (e *Echo) Declare(o *Options) {
	e.options = o
	e.Serving.Declare(o)
	o.Flag(&e.Once, "once", "exit after one client, like the lecture's server").Own = true
	o.Var(NewValue(&e.Path, relay.Auto, paths), "path", "data path: fast (event loops for kernel streams), general, or auto")
}

// Prepare reads the addresses. None is [LectureAddress].
func (e *Echo) Prepare(words []string) error {
	if len(words) == 0 {
		words = []string{LectureAddress}
	}
	for _, text := range words {
		a, err := address.Parse(text)
		if err != nil {
			return err
		}
		own, err := e.At(a)
		if err != nil {
			return err
		}
		if once, given := a.IsOnce(); given { // it is for all of them
			e.Once = once
		}
		e.Addresses, e.Each = append(e.Addresses, a), append(e.Each, own)
	}
	return nil
}

// Fast reports whether the sockets of an address are to be echoed by event loops, and
// refuses those that cannot where the options ask for it.
func (e *Echo) Fast(a address.Address, sockets []*socket.Socket) (bool, error) {
	if e.Path == relay.General {
		return false, nil
	}
	why := e.notFast(a, sockets)
	if why != "" && e.Path == relay.Fast {
		return false, &UsageError{&relay.NotFastError{Reason: why}}
	}
	return why == "", nil
}

// notFast says why an address is not echoed by event loops; "" if it can be.
func (e *Echo) notFast(a address.Address, sockets []*socket.Socket) string {
	_, lingers := option.Linger.In(a.Settings)
	format, _ := address.Frame.In(a.Settings)
	switch k := sockets[0].Kind(); {
	case runtime.GOOS != "linux":
		return "needs Linux"
	case a.Scheme.Open != nil || k.Layers != "" || k.Type != socket.Stream || !isKernels(k.Domain):
		return fmt.Sprintf("is for plain kernel streams, which %s is not", a.Scheme.Name)
	case format != frame.Format{}:
		return fmt.Sprintf("sends bytes back as they come, but %v cuts them into messages (%s=)", a, address.Frame.Name)
	case lingers:
		return fmt.Sprintf("never waits when closing, but %v asks for it (%s=)", a, option.Linger.Name)
	case e.Once:
		return "serves any number of clients, but once asks for one"
	case socket.Tracing():
		return "makes its own system calls, which --trace cannot see"
	}
	return ""
}

func isKernels(d socket.Domain) bool {
	return d == socket.Inet || d == socket.Inet6 || d == socket.Unix || d == socket.VSock
}
