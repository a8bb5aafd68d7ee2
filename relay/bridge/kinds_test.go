package bridge_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
	"zocalo/relay/bridge"
	"zocalo/socket"
)

// A kind is a row and a column of the table in docs/relay.md: how an end of it
// comes to be for a bridge, and how the test has the other side of it.
type kind struct {
	name string

	// from and to return the address for the bridge, and what gets the test's
	// side once the bridge runs.
	from, to func(t *testing.T) (address string, peer peering)

	oneWay   bool // the bridge only reads it as FROM, and only writes it as TO
	noFinish bool // what the test closes for writing is not seen as an end
	octets   bool // it needs a format beside messages
	lacking  func(t *testing.T)
}

// A peering gets the test's side. at says where the bridge listens, if it does.
type peering func(at func() string) *socket.Socket

var kinds = []kind{
	listening("tcp", "tcp", "127.0.0.1:0", ""),
	listening("mptcp", "mptcp", "127.0.0.1:0", ""),
	listening("unix", "unix", "", ""),
	listening("unix-seqpacket", "unix-seqpacket", "", ""),
	listening("unix-dgram", "unix-dgram", "", ""),
	listening("udp", "udp", "127.0.0.1:0", ""),
	listening("vsock", "vsock", "1:any", ""),
	listening("iso", "iso", "127.0.0.1:0", ",expedited"),
	listening("iso-stream", "iso-stream", "127.0.0.1:0", ",expedited"),
	listening("spp", "spp", "", ""),
	listening("spp-stream", "spp-stream", "", ""),
	listening("idp", "idp", "", ""),
	{name: "fd", from: inherited, to: inherited, octets: true},
	{name: "pipe", from: pipeFrom, to: pipeTo, oneWay: true, octets: true},
	{name: "file", from: fileFrom, to: fileTo, oneWay: true, octets: true},
	{name: "pty", from: terminal, to: terminal, noFinish: true, octets: true},
	{name: "exec", from: program, to: program, octets: true},
}

// listening makes a kind whose peers come to a listener. Without an endpoint it
// is on a path of the test, or on what its family chooses.
func listening(name, scheme, endpoint, options string) kind {
	at := func(t *testing.T) string {
		if strings.HasPrefix(scheme, "unix") {
			return inTemp(t, "s")
		}
		return endpoint
	}
	k := kind{name: name, octets: name == "tcp" || name == "mptcp" || name == "unix" || name == "vsock" || strings.HasSuffix(name, "-stream")}
	k.from = func(t *testing.T) (string, peering) {
		return scheme + "-listen:" + at(t) + options, func(at func() string) *socket.Socket { return dial(t, at()) }
	}
	k.to = func(t *testing.T) (string, peering) {
		l := listen(t, scheme+":"+at(t)+options)
		to := scheme + ":" + l.Name().String() + options
		if s := l.Sockets()[0]; s.Type() == socket.Datagram {
			return to, func(func() string) *socket.Socket { return s }
		}
		return to, func(func() string) *socket.Socket { return accept(t, l) }
	}
	k.lacking = func(t *testing.T) {
		l, err := zocalo.Listen(t.Context(), scheme+":"+at(t))
		if err != nil {
			t.Skipf("this machine lacks %s: %v", name, err)
		}
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := zocalo.Dial(ctx, scheme+":"+l.Name().String())
		if err != nil {
			t.Skipf("this machine lacks %s: %v", name, err)
		}
		c.Close()
	}
	return k
}

func fixed(s *socket.Socket) func(func() string) *socket.Socket {
	return func(func() string) *socket.Socket { return s }
}

// pairOf returns both ends of a unix socket pair: the near one as a descriptor
// of this process, which whoever opens it owns.
func pairOf(t *testing.T) (near int, far *socket.Socket) {
	t.Helper()
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	try(t, err)
	t.Cleanup(func() { b.Close() })
	fd, err := a.Detach()
	try(t, err)
	this := fmt.Sprintf("/proc/self/fd/%d", fd)
	was, err := os.Readlink(this)
	try(t, err)
	t.Cleanup(func() {
		// What refuses the address leaves the descriptor where it is.
		if is, err := os.Readlink(this); err == nil && is == was {
			syscall.Close(fd)
		}
	})
	return fd, b
}

func inherited(t *testing.T) (string, peering) {
	near, far := pairOf(t)
	return "fd:" + strconv.Itoa(near), fixed(far)
}

func pipeFrom(t *testing.T) (string, peering) {
	path := inTemp(t, "pipe")
	return "pipe:" + path + ",rdonly", func(func() string) *socket.Socket { return dial(t, "pipe:"+path+",wronly") }
}

func pipeTo(t *testing.T) (string, peering) {
	path := inTemp(t, "pipe")
	try(t, syscall.Mkfifo(path, 0o600))
	reader := dial(t, "pipe:"+path+",rdonly")
	return "pipe:" + path + ",wronly", fixed(reader)
}

// A file that is read has its content before; see drive.
func fileFrom(t *testing.T) (string, peering) {
	path := inTemp(t, "file")
	try(t, os.WriteFile(path, []byte("one\ntwo\n"), 0o600))
	return "file:" + path + ",rdonly", func(func() string) *socket.Socket { return nil }
}

func fileTo(t *testing.T) (string, peering) {
	path := inTemp(t, "file")
	try(t, os.WriteFile(path, nil, 0o600))
	return "file:" + path + ",wronly", func(func() string) *socket.Socket { return dial(t, "file:"+path+",rdonly") }
}

func terminal(t *testing.T) (string, peering) {
	path := inTemp(t, "pty")
	return "pty:" + path, func(func() string) *socket.Socket {
		await(t, "the terminal is there", func() bool { _, err := os.Stat(path); return err == nil })
		return dial(t, "file:"+path)
	}
}

// A program's other side is the test, by a unix socket to which it connects.
func program(t *testing.T) (string, peering) {
	l := listen(t, "unix:"+inTemp(t, "program"))
	return fmt.Sprintf("exec:%s %s %s", os.Args[0], programWord, l.Name()), func(func() string) *socket.Socket { return accept(t, l) }
}

// The words that make this program another one.
const (
	programWord = "bridge-test-program" // the program of exec, which goes on to a unix socket
	stdioWord   = "bridge-test-stdio"   // a bridge between FROM and TO, one of which is stdio
)

// child is main where the command line says so.
func child() {
	if len(os.Args) < 2 {
		return
	}
	var err error
	switch os.Args[1] {
	default:
		return
	case programWord:
		err = beProgram(os.Args[2])
	case stdioWord:
		err = beStdio(os.Args[2], os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func beProgram(path string) error {
	a, err := zocalo.Dial(context.Background(), "stdio:")
	if err != nil {
		return err
	}
	b, err := zocalo.Dial(context.Background(), "unix:"+path)
	if err != nil {
		return err
	}
	_, err = relay.Join(context.Background(), relay.End{Socket: a}, relay.End{Socket: b}, relay.Options{Files: relay.PassFiles})
	return err
}

func beStdio(from, to string) error {
	b := &bridge.Bridge{}
	for i, text := range []string{from, to} {
		a, err := address.Parse(text)
		switch {
		case err != nil:
			return err
		case i == 0:
			b.From = a
		default:
			b.To = append(b.To, a)
		}
	}
	b.OnListening = func(l *zocalo.Listener, a address.Address) error {
		_, err := fmt.Fprintln(os.Stderr, a.Scheme.Name+":"+l.Name().String()+carried(a))
		return err
	}
	return b.Run(context.Background())
}
