package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"zocalo/internal/pcapng"
)

// An output is where a sink writes: a stream, or one file after the other. It is for the
// goroutine of the sink.
type output struct {
	w    io.Writer // that is open; nil for none
	file *os.File  // the same, where it is a file of ours
	path string    // of the files; "" for a stream
	o    *Options

	number int // of the file
	at     time.Time
	size   int64 // of the file
	head   int64 // of what it began with
}

func (o *output) isOpen() bool     { return o.size > 0 }
func (o *output) began() time.Time { return o.at }

// rotates reports whether there is to be more than one file.
func (o *Options) rotates() bool { return o.MaxSize > 0 || o.MaxTime > 0 }

// isFull reports whether the next n bytes belong in another file than the one that is open.
func (o *output) isFull(n int) bool {
	switch {
	case !o.isOpen():
		return true
	case o.o.MaxTime > 0 && time.Since(o.at) >= o.o.MaxTime:
		return true
	}
	return o.o.MaxSize > 0 && o.size+int64(n) > o.o.MaxSize && o.size > o.head
}

// begin begins a file with a section of its own.
func (o *output) begin(head []byte) error {
	var section bytes.Buffer
	pcapng.NewWriter(&section, pcapng.Section{OS: runtime.GOOS, Application: o.o.application(), Comments: o.o.Comments})
	o.at, o.size = time.Now(), 0
	o.number++
	if o.path != "" {
		path := o.path
		if o.o.rotates() {
			path = numbered(path, o.number, o.at)
		}
		if o.file == nil || o.number > 1 {
			f, err := openFile(path)
			if err != nil {
				return err
			}
			o.file, o.w = f, f
		}
	}
	o.head = int64(section.Len() + len(head))
	return o.write(append(section.Bytes(), head...))
}

// numbered is the name of one file of several, as dumpcap has them: Wireshark takes files that are
// called so for a set, of which it shows the list.
func numbered(path string, number int, at time.Time) string {
	ext := filepath.Ext(path)
	return fmt.Sprintf("%s_%05d_%s%s", strings.TrimSuffix(path, ext), number, at.Format("20060102150405"), ext)
}

// ofPair is the name of the file of one pair.
func ofPair(path string, pair int64, wire bool) string {
	ext, word := filepath.Ext(path), "pair"
	if wire {
		word = "wire"
	}
	return fmt.Sprintf("%s_%s-%d%s", strings.TrimSuffix(path, ext), word, pair, ext)
}

func (o *output) write(b []byte) error {
	n, err := o.w.Write(b)
	if err != nil && n > 0 && o.file != nil {
		n = wholeBlocks(b[:n])
		o.file.Truncate(o.size + int64(n)) // so that it can be read; what is no plain file stays
	}
	o.size += int64(n)
	return named(o.path, err)
}

// wholeBlocks is how many bytes the blocks have that are whole.
func wholeBlocks(b []byte) int {
	whole := 0
	for left := b; len(left) >= 8; left = b[whole:] {
		size := int(binary.LittleEndian.Uint32(left[4:]))
		if size < 12 || size > len(left) {
			break
		}
		whole += size
	}
	return whole
}

// end ends the file with what was counted.
func (o *output) end(counts []byte) error {
	err := o.write(counts)
	o.size = 0
	if o.file != nil {
		err = errors.Join(err, named(o.path, o.file.Close()))
		o.file, o.w = nil, nil
	}
	return err
}

// close closes what is open.
func (o *output) close() {
	if o.file != nil {
		o.file.Close()
		o.file = nil
	}
}

// openFile makes a file that its owner alone may read, or empties one that is there, as
// tcpdump does. What is there and is no plain file keeps its mode: a pipe, a terminal.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, named(path, err)
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil && runtime.GOOS != "windows" {
			f.Close()
			return nil, fmt.Errorf("%s: others could read it: %w", path, reason(err))
		}
	}
	return f, nil
}

// named is an error with the file before it, once.
func named(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case path == "":
		return reason(err)
	}
	return fmt.Errorf("%s: %w", path, reason(err))
}

func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
