package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"zocalo/internal/sys"
)

func init() {
	Register(&Family{
		Name:       "file",
		Domains:    []DomainConstant{{Unspecified, "AF_UNSPEC"}},
		FormatName: func(Name) string { return "" },
		KindName:   func(Kind) string { return "file" },
		Properties: func(Kind) Properties {
			return Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true}
		},
		Schemes: []*Scheme{
			{
				Name: "fd", Endpoint: "number, or a name of LISTEN_FDNAMES", Doc: "a descriptor that this program inherited, whatever it is",
				Type: Stream, Open: openInherited,
			},
			{
				Name: "stdio", Aliases: []string{"-"}, Doc: "standard input and output",
				Type: Stream, NoListen: true, Open: openStdio,
			},
			fileScheme(), pipeScheme(),
		},
	})
}

// openInherited opens fd:N or fd:NAME.
func openInherited(_ context.Context, t Target) (*Socket, error) {
	fd, err := strconv.Atoi(t.Endpoint)
	if err != nil {
		if fd, err = activated(t.Endpoint); err != nil {
			return nil, err
		}
	}
	if fd < 0 {
		return nil, EndpointErrorf("descriptor %d cannot be: they count from 0", fd)
	}
	s, err := FromFD(fd)
	if errors.Is(err, syscall.EBADF) {
		return nil, &Advised{fmt.Errorf("descriptor %d: %w", fd, err), "nothing was inherited under that number"}
	}
	return s, err
}

// activatedFiles are the descriptors that the service manager passed, see
// sd_listen_fds(3). They are kept, lest the garbage collector close them.
var activatedFiles = sync.OnceValue(func() []*os.File { return activation.Files(false) })

// activated returns the descriptor of that name in LISTEN_FDNAMES.
func activated(name string) (int, error) {
	names := []string{}
	for _, f := range activatedFiles() {
		if f.Name() == name {
			fd, errno := sys.Dup(int(f.Fd()))
			return fd, syscallError("dup", errno)
		}
		names = append(names, f.Name())
	}
	if len(names) == 0 {
		return -1, fmt.Errorf("descriptor %q: the service manager passed none to this process (LISTEN_FDS, LISTEN_PID)", name)
	}
	slices.Sort(names)
	return -1, fmt.Errorf("descriptor %q: the service manager passed only %s", name, strings.Join(names, ", "))
}

// stdio is the endpoint of standard input and output together.
type stdio struct{ in, out *Socket }

// openStdio opens descriptors 0 and 1; where both are one socket, that
// socket.
func openStdio(_ context.Context, t Target) (*Socket, error) {
	if t.Endpoint != "" {
		return nil, EndpointErrorf("stdio takes nothing after the colon, and %q is there", t.Endpoint)
	}
	in, err := FromFD(0)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if in.Domain() != Unspecified && sys.SameFile(0, 1) {
		in.OnClose(func() { sys.Close(1) })
		return in, nil
	}
	out, err := FromFD(1)
	if err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	return Wrap(&stdio{in, out}, Kind{Unspecified, Stream, 0}), nil
}

func (s *stdio) Read(b []byte) (int, error)         { return s.in.endpoint.Read(b) }
func (s *stdio) Write(b []byte) (int, error)        { return s.out.endpoint.Write(b) }
func (s *stdio) SetReadDeadline(t time.Time) error  { return s.in.endpoint.SetReadDeadline(t) }
func (s *stdio) SetWriteDeadline(t time.Time) error { return s.out.endpoint.SetWriteDeadline(t) }
func (s *stdio) Name() Name                         { return Name{} }
func (s *stdio) Peer() Name                         { return Name{} }

// Shutdown ends standard output by closing it, so that who reads it sees the
// end.
func (s *stdio) Shutdown(how How) error {
	if how != Read {
		if err := s.out.endpoint.Close(); err != nil {
			return err
		}
	}
	if how != Write {
		return s.in.endpoint.Close()
	}
	return nil
}

func (s *stdio) Close() error {
	inErr, outErr := s.in.endpoint.Close(), s.out.endpoint.Close()
	if inErr != nil {
		return inErr
	}
	if outErr != nil && !errors.Is(outErr, net.ErrClosed) {
		return outErr
	}
	return nil
}
