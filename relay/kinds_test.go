package relay_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/pass"
	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/socket"
)

// A kind is a row and a column of the table in docs/relay.md: how an end of it
// comes to be for a relay, and how the test has the other side of it.
type kind struct {
	name string

	// from and to return the address for the relay, and what gets the test's
	// side once the relay runs.
	from, to func(t *testing.T) (address string, peer peering)

	oneWay   bool // the relay only reads it as FROM, and only writes it as TO
	noFinish bool // what the test closes for writing is not seen as an end
	bytes    bool // it needs a format beside messages
	lacking  func(t *testing.T)
}

// A peering gets the test's side. at says where the relay listens, if it does.
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
	{name: "fd", from: inherited, to: inherited, bytes: true},
	{name: "pipe", from: pipeFrom, to: pipeTo, oneWay: true, bytes: true},
	{name: "file", from: fileFrom, to: fileTo, oneWay: true, bytes: true},
	{name: "pty", from: terminal, to: terminal, noFinish: true, bytes: true},
	{name: "exec", from: program, to: program, bytes: true},
}

// listening makes a kind whose peers come to a listener. Without an endpoint it
// is on a path of the test, or on what its family chooses.
func listening(name, scheme, endpoint, options string) kind {
	at := func(t *testing.T) string {
		if strings.Contains(scheme, "unix") {
			return inTemp(t, "s")
		}
		return endpoint
	}
	k := kind{name: name, bytes: name == "tcp" || name == "mptcp" || name == "unix" || name == "vsock" || strings.HasSuffix(name, "-stream")}
	layered, _ := layerOptions(scheme)
	options += layered
	k.from = func(t *testing.T) (string, peering) {
		return scheme + "-listen:" + at(t) + options, func(at func() string) *socket.Socket { return dial(t, at()) }
	}
	k.to = func(t *testing.T) (string, peering) {
		l := listen(t, scheme+":"+at(t)+options)
		to := addressOf(t, scheme+":"+options, l)
		if s := l.Sockets()[0]; s.Type() == socket.Datagram {
			return to, func(func() string) *socket.Socket { return s }
		}
		if layered == "" {
			return to, func(func() string) *socket.Socket { return accept(t, l) }
		}
		// Who comes to a proxy waits until this has been reached, with its handshake.
		accepted := make(chan *socket.Socket, 1)
		go func() {
			s, _ := l.Accept(context.WithoutCancel(t.Context()))
			accepted <- s
		}()
		return to, func(func() string) *socket.Socket {
			select {
			case s := <-accepted:
				if s == nil {
					t.Fatal("nobody was accepted")
				}
				t.Cleanup(func() { s.Close() })
				try(t, s.SetDeadline(time.Now().Add(patience)))
				return s
			case <-time.After(patience):
				t.Fatal("nobody came")
				return nil
			}
		}
	}
	k.lacking = func(t *testing.T) {
		l, err := zocalo.Listen(t.Context(), scheme+":"+at(t)+layered)
		if err != nil {
			t.Skipf("this machine lacks %s: %v", name, err)
		}
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if layered != "" { // whoever connects waits for an Accept
			go func() {
				if s, err := l.Accept(ctx); err == nil {
					s.Close()
				}
			}()
		}
		c, err := zocalo.Dial(ctx, addressOf(t, scheme+":", l))
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
	programWord = "relay-test-program" // the program of exec, which goes on to a unix socket
	stdioWord   = "relay-test-stdio"   // a relay between FROM and TO, one of which is stdio
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
	_, err = join.Join(context.Background(), join.End{Socket: a}, join.End{Socket: b}, join.Options{Files: pass.PassFiles})
	return err
}

func beStdio(from, to string) error {
	b := &relay.Relay{}
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
	b.Listening = func(l *zocalo.Listener, a address.Address) error {
		_, err := fmt.Fprintln(os.Stderr, a.Scheme.Name+":"+l.Name().String()+carried(a))
		return err
	}
	return b.Run(context.Background())
}
