package scheme

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/sys"
	"zocalo/socket"
)

func init() { Register(fileSchemes()...) }

func fileSchemes() []*Scheme {
	return []*Scheme{
		{
			Name: "fd", Endpoint: "number, or a name in LISTEN_FDNAMES", Doc: "a descriptor that this program inherited, whatever it is",
			Type: socket.Stream, Open: openInherited, Options: terminalOptions,
			Inherited: func(endpoint string) []int {
				if fd, err := strconv.Atoi(endpoint); err == nil {
					return []int{fd}
				}
				return nil
			},
		},
		{
			Name: "stdio", Aliases: []string{"-"}, Doc: "standard input and output",
			Type: socket.Stream, NoListen: true, Open: openStdio, Options: terminalOptions,
			Inherited: func(string) []int { return []int{0, 1} },
		},
		fileScheme(), pipeScheme(),
	}
}

// openInherited opens fd:N or fd:NAME.
func openInherited(_ context.Context, t Target) (*socket.Socket, error) {
	fd, err := strconv.Atoi(t.Endpoint)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && (fd < 0 || fd > math.MaxInt32):
		return nil, EndpointErrorf("%s is not a descriptor: they go from 0 to %d", t.Endpoint, math.MaxInt32)
	case err != nil:
		if fd, err = activated(t.Endpoint); err != nil {
			return nil, err
		}
	}
	s, err := socket.FromFD(fd)
	if errors.Is(err, syscall.EBADF) {
		return nil, &socket.HintError{Err: fmt.Errorf("descriptor %d: %w", fd, syscall.EBADF), Hint: "nothing was inherited under that number"}
	}
	if err != nil || s.Domain() != socket.Unspecified && len(t.Settings) == 0 {
		return s, err
	}
	e, err := withTerminal(s.Unwrap(), fd, t.Settings)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return socket.Wrap(e, s.Kind()), nil
}

// firstActivated is the descriptor that the service manager passes first.
const firstActivated = 3

// activatedNames are the names of the descriptors that the service manager
// passed, see sd_listen_fds(3). Programs that are started do not inherit these.
var activatedNames = sync.OnceValue(func() (names []string) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil
	}
	count, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	given := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	// The first that is not open is the end of them, whatever the count says.
	for i := 0; i < count && sys.CloseOnExec(firstActivated+i) == 0; i++ {
		name := fmt.Sprintf("LISTEN_FD_%d", firstActivated+i)
		if i < len(given) && given[i] != "" {
			name = given[i]
		}
		names = append(names, name)
	}
	return names
})

// activated returns the descriptor of that name in LISTEN_FDNAMES.
func activated(name string) (int, error) {
	names := activatedNames()
	if i := slices.Index(names, name); i >= 0 {
		fd, errno := sys.Dup(firstActivated + i)
		return fd, sys.Error("dup", errno)
	}
	if len(names) == 0 {
		return -1, fmt.Errorf("descriptor %q: the service manager passed none to this process (LISTEN_FDS, LISTEN_PID)", name)
	}
	return -1, fmt.Errorf("descriptor %q: the service manager passed only %s", name, strings.Join(slices.Sorted(slices.Values(names)), ", "))
}

// stdio is the endpoint of standard input and output together.
type stdio struct{ in, out socket.Endpoint }

// openStdio opens descriptors 0 and 1; where both are one socket, that
// socket.
func openStdio(_ context.Context, t Target) (*socket.Socket, error) {
	if t.Endpoint != "" {
		return nil, EndpointErrorf("stdio takes nothing after the colon, but %q follows", t.Endpoint)
	}
	in, err := socket.FromFD(0)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	e, err := withTerminal(in.Unwrap(), 0, t.Settings)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if in.Domain() != socket.Unspecified && sys.SameFile(0, 1) {
		in.OnClose(func() { sys.Close(1) })
		return in, nil
	}
	out, err := socket.FromFD(1)
	if err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	return socket.Wrap(&stdio{e, out.Unwrap()}, socket.Kind{Type: socket.Stream}), nil
}

func (s *stdio) Read(b []byte) (int, error) { return s.in.Read(b) }

func (s *stdio) Write(b []byte) (int, error) { return s.out.Write(b) }

func (s *stdio) SetReadDeadline(t time.Time) error { return s.in.SetReadDeadline(t) }

func (s *stdio) SetWriteDeadline(t time.Time) error { return s.out.SetWriteDeadline(t) }

func (s *stdio) Name() socket.Name { return socket.Name{} }

func (s *stdio) Peer() socket.Name { return socket.Name{} }

// Shutdown ends standard output by closing it, so that its reader sees the
// end.
func (s *stdio) Shutdown(how socket.ShutdownHow) error {
	if how != socket.ShutdownRead {
		if err := s.out.Close(); err != nil {
			return err
		}
	}
	if how != socket.ShutdownWrite {
		return s.in.Close()
	}
	return nil
}

func (s *stdio) Close() error {
	inErr, outErr := s.in.Close(), s.out.Close()
	if inErr != nil {
		return inErr
	}
	if outErr != nil && !errors.Is(outErr, net.ErrClosed) {
		return outErr
	}
	return nil
}
