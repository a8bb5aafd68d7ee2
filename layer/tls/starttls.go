package tls

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"zocalo/layer/internal/prefix"
	"zocalo/socket"
)

// A starter asks a server for TLS in the protocol that the connection begins with. It
// reads no byte beyond the server's answer.
type starter func(*lineReader) error

var starters = map[string]starter{"smtp": startSMTP, "imap": startIMAP, "pop3": startPOP3, "postgres": startPostgres}

// A lineReader reads lines byte by byte.
type lineReader struct{ io.ReadWriter }

// longestLine bounds a line of the server.
const longestLine = 4096

// mostLines bounds an answer of the server.
const mostLines = 1000

func (r *lineReader) line() (string, error) {
	var line []byte
	var b [1]byte
	for len(line) < longestLine {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b[0])
	}
	return "", fmt.Errorf("the server sent a line of more than %d bytes", longestLine)
}

// expect sends a command, unless it is "", and reads an answer of up to mostLines lines,
// the last of which must begin with want.
func (r *lineReader) expect(say, want string, isLast func(string) bool) error {
	if say != "" {
		if _, err := io.WriteString(r, say+"\r\n"); err != nil {
			return err
		}
	}
	for range mostLines {
		line, err := r.line()
		switch {
		case err != nil:
			return err
		case !isLast(line):
		case !strings.HasPrefix(strings.ToUpper(line), want):
			return fmt.Errorf("the server answered %q instead of %q", line, want)
		default:
			return nil
		}
	}
	return fmt.Errorf("the server's answer has more than %d lines", mostLines)
}

func anyLine(string) bool { return true }

// startSMTP is RFC 3207.
func startSMTP(r *lineReader) error {
	last := func(line string) bool { return len(line) < 4 || line[3] != '-' }
	if err := r.expect("", "220", last); err != nil {
		return err
	}
	if err := r.expect("EHLO localhost", "250", last); err != nil {
		return err
	}
	return r.expect("STARTTLS", "220", last)
}

// startIMAP is RFC 3501, section 6.2.1.
func startIMAP(r *lineReader) error {
	if err := r.expect("", "* OK", anyLine); err != nil {
		return err
	}
	return r.expect("a STARTTLS", "A OK", func(line string) bool { return !strings.HasPrefix(line, "* ") })
}

// startPOP3 is RFC 2595, section 4.
func startPOP3(r *lineReader) error {
	if err := r.expect("", "+OK", anyLine); err != nil {
		return err
	}
	return r.expect("STLS", "+OK", anyLine)
}

// startPostgres is the SSLRequest of PostgreSQL's protocol.
func startPostgres(r *lineReader) error {
	var b [8]byte
	binary.BigEndian.PutUint32(b[:4], 8)
	binary.BigEndian.PutUint32(b[4:], 80877103)
	if _, err := r.Write(b[:]); err != nil {
		return err
	}
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return err
	}
	if b[0] != 'S' {
		return fmt.Errorf("the server answered %q: it has no TLS", b[0])
	}
	return nil
}

// askFor runs ask until ctx ends.
func askFor(ctx context.Context, lower *socket.Socket, protocol string, ask starter) error {
	err := prefix.Within(ctx, lower, func() error { return ask(&lineReader{lower}) })
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errors.New("the server closed the connection")
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("starttls=%s: %w", protocol, err)
	}
	return err
}
