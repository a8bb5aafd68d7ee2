package socket

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

	"zocalo/internal/sys"
)

// Options of the schemes file and pipe, see open(2).
var (
	readOnlyOption = NewOption(Spec{
		Name: "rdonly", Aliases: []string{"readonly", "o-rdonly"}, Constant: "O_RDONLY", Phase: Naming, Default: "off: for both, or what the permissions allow",
		Doc:   "open to read only",
		Since: "Linux 2.0",
	}, Flag, nil, nil)
	writeOnlyOption = NewOption(Spec{
		Name: "wronly", Aliases: []string{"writeonly", "o-wronly"}, Constant: "O_WRONLY", Phase: Naming, Default: "off: for both, or what the permissions allow",
		Doc:   "open to write only",
		Since: "Linux 2.0",
	}, Flag, nil, nil)
	createOption = NewOption(Spec{
		Name: "create", Aliases: []string{"creat", "o-creat"}, Constant: "O_CREAT", Phase: Naming, Default: "off",
		Doc:   "make the file if it is not there",
		Since: "Linux 2.0",
	}, Flag, nil, nil)
	exclusiveOption = NewOption(Spec{
		Name: "excl", Aliases: []string{"o-excl"}, Constant: "O_EXCL", Phase: Naming, Default: "off",
		Doc:   "with create: fail if the file is there",
		Since: "Linux 2.0",
	}, Flag, nil, nil)
	appendOption = NewOption(Spec{
		Name: "append", Aliases: []string{"o-append"}, Constant: "O_APPEND", Phase: Naming, Default: "off",
		Doc:   "write at the file's end",
		Since: "Linux 2.0",
	}, Flag, nil, nil)
	truncateOption = NewOption(Spec{
		Name: "trunc", Aliases: []string{"truncate", "o-trunc"}, Constant: "O_TRUNC", Phase: Naming, Default: "off",
		Doc:   "empty the file first",
		Since: "Linux 2.0",
	}, Codec[bool]{"", parseTruncate, formatTruncate}, nil, nil)
	fileModeOption = NewOption(Spec{
		Name: "mode", Aliases: []string{"perm"}, Phase: Naming, Default: "0600",
		Doc: "permissions of a file that is made",
	}, Codec[os.FileMode]{"MODE", ParseMode, FormatMode}, nil, nil)
	removeOption = NewOption(Spec{
		Name: "unlink-close", Phase: Naming, Default: "off",
		Doc: "remove the file when it is closed",
	}, Flag, nil, nil)
)

// parseTruncate is parseFlag that does not take a length for a switch: truncate=0
// is socat's word for an empty file, and as "off" would leave the old one whole.
func parseTruncate(text string) (bool, error) {
	if _, err := strconv.ParseUint(text, 10, 64); err == nil && text != "1" {
		return false, fmt.Errorf("%s is a length, and it takes none: trunc alone empties the file, trunc=off leaves it", text)
	}
	return parseFlag(text)
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
		Type: Stream, NoListen: true, File: true, Open: openFile,
		Options: slices.Concat([]*Spec{readOnlyOption.Spec, writeOnlyOption.Spec, createOption.Spec, exclusiveOption.Spec,
			appendOption.Spec, truncateOption.Spec, fileModeOption.Spec, removeOption.Spec}, terminalOptions, serialOptions),
	}
}

func pipeScheme() *Scheme {
	return &Scheme{
		Name: "pipe", Aliases: []string{"fifo"}, Endpoint: "path", Doc: "a named pipe, made if it is not there",
		Type: Stream, NoListen: true, Open: openPipe,
		Loops: func(ss Settings) bool {
			flag, _, err := access(ss)
			return err == nil && flag == os.O_RDWR
		},
		Options: []*Spec{readOnlyOption.Spec, writeOnlyOption.Spec, fileModeOption.Spec, removeOption.Spec},
	}
}

// access returns the directions that settings ask for, O_RDWR if neither.
func access(ss Settings) (flag int, given bool, err error) {
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
func openFile(_ context.Context, t Target) (*Socket, error) {
	if t.Endpoint == "" {
		return nil, EndpointErrorf("no path was given: write file:path")
	}
	flag, given, err := access(t.Settings)
	if err != nil {
		return nil, err
	}
	extra := 0
	for option, bit := range map[*Option[bool]]int{
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
	s, err := wrapFile(fd, false)
	if err != nil {
		return nil, err
	}
	e, err := withTerminal(s.endpoint, fd, t.Settings)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: t.Endpoint, Err: err}
	}
	return removedOnClose(Wrap(e, s.kind), t), nil
}

// removedOnClose returns s, which was opened by its path. If the settings ask for
// that, the file is removed when s is closed, unless another has its name by then.
func removedOnClose(s *Socket, t Target) *Socket {
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

func openError(path string, errno syscall.Errno) error {
	err := &fs.PathError{Op: "open", Path: path, Err: errno}
	switch errno {
	case syscall.ENOENT:
		return &Advised{err, noFile(path)}
	case syscall.EISDIR:
		return &Advised{err, "name a file in it"}
	case syscall.EACCES:
		return &Advised{err, "you may not open it so: rdonly or wronly may do"}
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
	return "the option create makes a file that is not there"
}

func wrapFile(fd int, firstWriter bool) (*Socket, error) {
	f, err := newFile(fd)
	if err != nil {
		sys.Close(fd)
		return nil, err
	}
	f.reading.firstWriter = firstWriter
	return Wrap(f, Kind{Type: Stream}), nil
}

// openPipe opens pipe:PATH. A reader waits for its first writer when it
// reads; a writer waits here, until somebody reads.
func openPipe(ctx context.Context, t Target) (*Socket, error) {
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
			err = &Advised{err, noFile(t.Endpoint)}
		}
		return nil, err
	}
	if info, err := os.Stat(t.Endpoint); err == nil && info.Mode()&fs.ModeNamedPipe == 0 {
		return nil, &Advised{fmt.Errorf("%s is no pipe", t.Endpoint), "the scheme file opens files and devices"}
	}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		fd, errno := sys.Open(t.Endpoint, flag, 0)
		switch errno {
		case 0:
			s, err := wrapFile(fd, flag == os.O_RDONLY)
			if err != nil {
				return nil, err
			}
			return removedOnClose(s, t), nil
		case syscall.ENXIO: // nobody reads yet
		default:
			return nil, openError(t.Endpoint, errno)
		}
		select {
		case <-ctx.Done():
			return nil, &Advised{fmt.Errorf("open %s to write: %w", t.Endpoint, ctx.Err()), "nobody opened the pipe to read"}
		case <-time.After(wait):
		}
	}
}
