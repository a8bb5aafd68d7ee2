package accesslog

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/socket"
)

// The local syslog, as syslog(3) knows it: of datagrams, or else a stream.
var localSyslog = []string{"unix-dgram:/dev/log", "unix:/dev/log"}

// The numbers of RFC 5424, section 6.2.1: facility daemon, and the severities.
const (
	daemon  = 3 << 3
	warning = 4
	info    = 6
)

// syslogTime bounds a write to syslog, and connecting to it.
const syslogTime = 5 * time.Second

// A syslog is where each line is a message.
type syslog struct {
	address address.Address // zero for the local one
	host    string

	ctx  context.Context
	end  context.CancelFunc
	mu   sync.Mutex // of s, which stop uses too
	s    *socket.Socket
	text []byte
}

func newSyslog(a address.Address) *syslog {
	y := &syslog{address: a, host: "-"}
	if name, err := os.Hostname(); err == nil && name != "" && strings.Trim(name, "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") == "" {
		y.host = name
	}
	y.ctx, y.end = context.WithCancel(context.Background())
	return y
}

// reopen has the next line connect.
func (y *syslog) reopen() error {
	y.drop()
	return nil
}

func (y *syslog) drop() {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.s != nil {
		y.s.Close()
		y.s = nil
	}
}

func (y *syslog) stop()  { y.end(); y.drop() }
func (y *syslog) close() { y.stop() }

func (y *syslog) connected() (*socket.Socket, error) {
	y.mu.Lock()
	s := y.s
	y.mu.Unlock()
	if s != nil {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(y.ctx, syslogTime)
	defer cancel()
	s, err := y.dial(ctx)
	if err != nil {
		return nil, err
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.ctx.Err() != nil {
		s.Close()
		return nil, y.ctx.Err()
	}
	y.s = s
	return s, nil
}

func (y *syslog) dial(ctx context.Context) (*socket.Socket, error) {
	if y.address.Scheme != nil {
		return zocalo.DialAddress(ctx, y.address)
	}
	s, err := zocalo.Dial(ctx, localSyslog[0])
	if err != nil {
		if s, other := zocalo.Dial(ctx, localSyslog[1]); other == nil {
			return s, nil
		}
	}
	return s, err
}

func (y *syslog) write(lines []byte) (n int, err error) {
	s, err := y.connected()
	if err != nil {
		return 0, err
	}
	for n < len(lines) {
		end := n + bytes.IndexByte(lines[n:], '\n')
		y.text = y.appendMessage(y.text[:0], lines[n:end], time.Now(), s)
		s.SetWriteDeadline(time.Now().Add(syslogTime))
		_, err := s.Write(y.text)
		switch {
		case errors.Is(err, syscall.EMSGSIZE): // there is no better way for that one
		case err != nil:
			y.drop() // the rest of a message that was written in part goes nowhere
			return n, err
		}
		n = end + 1
	}
	return n, nil
}

// appendMessage appends a line as a message for a socket.
func (y *syslog) appendMessage(b, line []byte, now time.Time, s *socket.Socket) []byte {
	severity := int64(info)
	if bytes.Contains(line, []byte(`"how":"failed"`)) { // which no value can contain: its quotes would be escaped
		severity = warning
	}
	pid := int64(os.Getpid())
	stream := !s.Properties().Bounded
	if s.Domain() == socket.Unix {
		b = append(b, '<')
		b = strconv.AppendInt(b, daemon|severity, 10)
		b = append(b, '>')
		b = now.AppendFormat(b, time.Stamp)
		b = append(b, " zocalo["...)
		b = strconv.AppendInt(b, pid, 10)
		b = append(b, "]: "...)
		b = append(b, line...)
		if stream {
			b = append(b, '\n')
		}
		return b
	}
	start := len(b)
	b = append(b, '<')
	b = strconv.AppendInt(b, daemon|severity, 10)
	b = append(b, ">1 "...)
	b = now.AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, ' ')
	b = append(b, y.host...)
	b = append(b, " zocalo "...)
	b = strconv.AppendInt(b, pid, 10)
	b = append(b, " pair - "...)
	b = append(b, line...)
	if stream {
		length := strconv.AppendInt(nil, int64(len(b)-start), 10)
		b = append(b, length...)
		b = append(b, ' ')
		// The length goes before the message.
		copy(b[start+len(length)+1:], b[start:len(b)-len(length)-1])
		copy(b[start:], append(length, ' '))
	}
	return b
}
