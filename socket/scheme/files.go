package scheme

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Options of the schemes file and pipe, see open(2).
var (
	readOnlyOption = option.New(option.Spec{
		Name: "rdonly", Aliases: []string{"readonly", "o-rdonly"}, Constant: "O_RDONLY", Phase: option.Naming, Default: "off: open for both, or for what the permissions allow",
		Doc:   "open to read only",
		Since: "Linux 2.0",
	}, codec.Flag, nil, nil)
	writeOnlyOption = option.New(option.Spec{
		Name: "wronly", Aliases: []string{"writeonly", "o-wronly"}, Constant: "O_WRONLY", Phase: option.Naming, Default: "off: open for both, or for what the permissions allow",
		Doc:   "open to write only",
		Since: "Linux 2.0",
	}, codec.Flag, nil, nil)
	createOption = option.New(option.Spec{
		Name: "create", Aliases: []string{"creat", "o-creat"}, Constant: "O_CREAT", Phase: option.Naming, Default: "off",
		Doc:   "create the file if it does not exist",
		Since: "Linux 2.0",
	}, codec.Flag, nil, nil)
	exclusiveOption = option.New(option.Spec{
		Name: "excl", Aliases: []string{"o-excl"}, Constant: "O_EXCL", Phase: option.Naming, Default: "off",
		Doc:   "with create: fail if the file exists",
		Since: "Linux 2.0",
	}, codec.Flag, nil, nil)
	appendOption = option.New(option.Spec{
		Name: "append", Aliases: []string{"o-append"}, Constant: "O_APPEND", Phase: option.Naming, Default: "off",
		Doc:   "write at the file's end",
		Since: "Linux 2.0",
	}, codec.Flag, nil, nil)
	truncateOption = option.New(option.Spec{
		Name: "trunc", Aliases: []string{"truncate", "o-trunc"}, Constant: "O_TRUNC", Phase: option.Naming, Default: "off",
		Doc:   "empty the file first",
		Since: "Linux 2.0",
	}, codec.Codec[bool]{Placeholder: "", Parse: parseTruncate, Format: formatTruncate}, nil, nil)
	fileModeOption = option.New(option.Spec{
		Name: "mode", Aliases: []string{"perm"}, Phase: option.Naming, Default: "0600",
		Doc: "permissions of a new file",
	}, codec.Codec[os.FileMode]{Placeholder: "MODE", Parse: codec.ParseFileMode, Format: codec.FormatFileMode}, nil, nil)
	removeOption = option.New(option.Spec{
		Name: "unlink-close", Phase: option.Naming, Default: "off",
		Doc: "remove the file when it is closed",
	}, codec.Flag, nil, nil)
)

// parseTruncate is parseFlag that does not take a length for a switch: truncate=0
// is socat's word for an empty file, and as "off" would leave the old one whole.
func parseTruncate(text string) (bool, error) {
	if _, err := strconv.ParseUint(text, 10, 64); err == nil && text != "1" {
		return false, fmt.Errorf("%s is a length, but trunc takes none: trunc alone empties the file, trunc=off leaves it", text)
	}
	return codec.Flag.Parse(text)
}

func formatTruncate(on bool) string {
	if on {
		return "1"
	}
	return "off"
}

func fileScheme() *Scheme {
	return &Scheme{
		Name: "file", Aliases: []string{"open"}, Endpoint: "path", Doc: "a file or a device",
		Type: socket.Stream, NoListen: true, File: true, Open: openFile,
		Options: slices.Concat([]*option.Spec{readOnlyOption.Spec, writeOnlyOption.Spec, createOption.Spec, exclusiveOption.Spec,
			appendOption.Spec, truncateOption.Spec, fileModeOption.Spec, removeOption.Spec}, terminalOptions, serialOptions),
	}
}

func pipeScheme() *Scheme {
	return &Scheme{
		Name: "pipe", Aliases: []string{"fifo"}, Endpoint: "path", Doc: "a named pipe, created if it does not exist",
		Type: socket.Stream, NoListen: true, Open: openPipe,
		Loops: func(ss option.Settings) bool {
			flag, _, err := access(ss)
			return err == nil && flag == os.O_RDWR
		},
		Options: []*option.Spec{readOnlyOption.Spec, writeOnlyOption.Spec, fileModeOption.Spec, removeOption.Spec},
	}
}

// access returns the directions that settings ask for, O_RDWR if neither.
func access(ss option.Settings) (flag int, given bool, err error) {
	r, _ := readOnlyOption.In(ss)
	w, _ := writeOnlyOption.In(ss)
	switch {
	case r && w:
		return 0, true, fmt.Errorf("rdonly and wronly cannot be combined: give neither to open for both")
	case r:
		return os.O_RDONLY, true, nil
	case w:
		return os.O_WRONLY, true, nil
	}
	return os.O_RDWR, false, nil
}

// openFile opens file:PATH: for both directions, or for the one that the
// permissions allow.
func openFile(_ context.Context, t Target) (*socket.Socket, error) {
	if t.Endpoint == "" {
		return nil, EndpointErrorf("no path was given: write file:path")
	}
	flag, given, err := access(t.Settings)
	if err != nil {
		return nil, err
	}
	extra := 0
	for option, bit := range map[*option.Option[bool]]int{
		createOption: os.O_CREATE, exclusiveOption: os.O_EXCL, appendOption: os.O_APPEND, truncateOption: os.O_TRUNC,
	} {
		if on, _ := option.In(t.Settings); on {
			extra |= bit
		}
	}
	mode, ok := fileModeOption.In(t.Settings)
	if !ok {
		mode = 0o600
	}
	fd, errno := sys.Open(t.Endpoint, flag|extra, uint32(mode))
	if !given && (errno == syscall.EACCES || errno == syscall.EROFS || errno == syscall.EISDIR) {
		for _, one := range []int{os.O_RDONLY, os.O_WRONLY} {
			var second syscall.Errno
			if fd, second = sys.Open(t.Endpoint, one|extra, uint32(mode)); second == 0 {
				errno = 0
				break
			}
		}
	}
	if errno != 0 {
		return nil, openError(t.Endpoint, errno)
	}
	if info, err := os.Stat(t.Endpoint); err == nil && info.IsDir() {
		sys.Close(fd)
		return nil, openError(t.Endpoint, syscall.EISDIR)
	}
	s, err := fromFD(fd)
	if err != nil {
		return nil, err
	}
	e, err := withTerminal(s.Unwrap(), fd, t.Settings)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: t.Endpoint, Err: err}
	}
	return removedOnClose(socket.Wrap(e, s.Kind()), t), nil
}

// removedOnClose returns s, which was opened by its path. If the settings ask for
// that, the file is removed when s is closed, unless another has its name by then.
func removedOnClose(s *socket.Socket, t Target) *socket.Socket {
	if on, _ := removeOption.In(t.Settings); !on {
		return s
	}
	path, err := filepath.Abs(t.Endpoint) // the program may go elsewhere
	if err != nil {
		path = t.Endpoint
	}
	opened, err := os.Stat(path)
	if err != nil {
		return s // somebody has removed it already
	}
	s.OnClose(func() {
		if now, err := os.Stat(path); err == nil && os.SameFile(opened, now) {
			os.Remove(path)
		}
	})
	return s
}

// The pauses between attempts where only time helps: doubled from the first to the
// last.
const (
	firstPause = time.Millisecond
	lastPause  = 50 * time.Millisecond
)

func openError(path string, errno syscall.Errno) error {
	err := &fs.PathError{Op: "open", Path: path, Err: errno}
	switch errno {
	case syscall.ENOENT:
		return &socket.HintError{Err: err, Hint: noFile(path)}
	case syscall.EISDIR:
		return &socket.HintError{Err: err, Hint: "name a file in it"}
	case syscall.EACCES:
		return &socket.HintError{Err: err, Hint: "you may not open it that way: try rdonly or wronly"}
	}
	return err
}

// noFile is what to do about a path that means nothing.
func noFile(path string) string {
	if strings.HasPrefix(path, "~") {
		return "no shell expands ~ there: write the path in full, or $HOME"
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return "make the folder first: " + filepath.Dir(path)
	}
	return "check the path, or add the option create to create it"
}

// fromFD is FromFD that closes what it cannot use.
func fromFD(fd int) (*socket.Socket, error) {
	s, err := socket.FromFD(fd)
	if err != nil {
		sys.Close(fd)
	}
	return s, err
}

// A patientReader is the endpoint of a file whose reads can wait for a first writer.
type patientReader interface{ AwaitWriter() }

// openPipe opens pipe:PATH. A reader waits for its first writer when it
// reads; a writer waits here, until somebody reads.
func openPipe(ctx context.Context, t Target) (*socket.Socket, error) {
	if t.Endpoint == "" {
		return nil, EndpointErrorf("no path was given: write pipe:path")
	}
	flag, _, err := access(t.Settings)
	if err != nil {
		return nil, err
	}
	mode, ok := fileModeOption.In(t.Settings)
	if !ok {
		mode = 0o600
	}
	if errno := sys.Mkfifo(t.Endpoint, uint32(mode)); errno != 0 && errno != syscall.EEXIST {
		err := error(&fs.PathError{Op: "make the pipe", Path: t.Endpoint, Err: errno})
		if errno == syscall.ENOENT {
			err = &socket.HintError{Err: err, Hint: noFile(t.Endpoint)}
		}
		return nil, err
	}
	if info, err := os.Stat(t.Endpoint); err == nil && info.Mode()&fs.ModeNamedPipe == 0 {
		return nil, &socket.HintError{Err: fmt.Errorf("%s is not a pipe", t.Endpoint), Hint: "the scheme file opens files and devices"}
	}
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		fd, errno := sys.Open(t.Endpoint, flag, 0)
		switch errno {
		case 0:
			s, err := fromFD(fd)
			if err != nil {
				return nil, err
			}
			if r, ok := s.Unwrap().(patientReader); ok && flag == os.O_RDONLY {
				r.AwaitWriter()
			}
			return removedOnClose(s, t), nil
		case syscall.ENXIO: // nobody reads yet
		default:
			return nil, openError(t.Endpoint, errno)
		}
		select {
		case <-ctx.Done():
			return nil, &socket.HintError{Err: fmt.Errorf("open %s to write: %w", t.Endpoint, ctx.Err()), Hint: "nobody opened the pipe to read"}
		case <-time.After(wait):
		}
	}
}
