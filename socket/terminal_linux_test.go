package socket_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"zocalo/address"
	"zocalo/socket"
)

// openAddress opens what the address means.
func openAddress(t *testing.T, text string) (*socket.Socket, error) {
	t.Helper()
	a, err := address.Parse(text)
	check(t, err)
	target, err := a.Target(false)
	check(t, err)
	return a.Scheme.Open(t.Context(), target)
}

func settingsOf(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS2)
	check(t, err)
	return *s
}

// A serial line has what the address says while it is open, and then what it had.
func TestSerialLine(t *testing.T) {
	far, line, err := pty.Open()
	check(t, err)
	defer far.Close()
	defer line.Close()
	was := settingsOf(t, line)
	for options, speed := range map[string]uint32{"b115200,raw": 115200, "speed=74880,rawer,flow=rtscts": 74880, "raw,ispeed=b9600,line=8n1": 9600} {
		s, err := openAddress(t, "file:"+line.Name()+","+options)
		if err != nil {
			t.Errorf("%s: %v", options, err)
			continue
		}
		now := settingsOf(t, line)
		if now.Ospeed != speed || now.Ispeed != speed {
			t.Errorf("%s: the line has %d and %d baud", options, now.Ispeed, now.Ospeed)
		}
		if now.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG) != 0 || now.Oflag&unix.OPOST != 0 {
			t.Errorf("%s: the line is not raw: %+v", options, now)
		}
		if on := now.Cflag&unix.CRTSCTS != 0; on != strings.Contains(options, "rtscts") {
			t.Errorf("%s: RTS/CTS is %v", options, on)
		}
		every := []byte("a\r\n\x03\x04\x13\xff")
		_, err = s.Write(every)
		check(t, err)
		b := make([]byte, len(every))
		if _, err := io.ReadFull(far, b); err != nil || !bytes.Equal(b, every) {
			t.Errorf("%s: %q arrived, %v", options, b, err)
		}
		_, err = far.Write(every)
		check(t, err)
		if _, err := io.ReadFull(s, b); err != nil || !bytes.Equal(b, every) {
			t.Errorf("%s: %q came, %v", options, b, err)
		}
		check(t, s.Close())
		if now := settingsOf(t, line); now != was {
			t.Errorf("%s: after Close it has %+v; want %+v", options, now, was)
		}
	}
}

// The key of escape= ends the input, once all before it was read.
func TestEscape(t *testing.T) {
	far, line, err := pty.Open()
	check(t, err)
	defer far.Close()
	defer line.Close()
	s, err := openAddress(t, "file:"+line.Name()+",raw,escape=^]")
	check(t, err)
	defer s.Close()
	_, err = far.WriteString("hola\x1dadios")
	check(t, err)
	if b, err := io.ReadAll(s); err != nil || string(b) != "hola" {
		t.Errorf("%q, %v", b, err)
	}
}

// What is no terminal, or lacks what was asked for, says so.
func TestTerminalRefused(t *testing.T) {
	far, line, err := pty.Open()
	check(t, err)
	defer far.Close()
	defer line.Close()
	for text, want := range map[string]string{
		"file:/dev/null,raw":                "it is not a terminal",
		"file:" + line.Name() + ",line=7E1": "rejected line or flow", // a pseudo-terminal has eight bits
	} {
		s, err := openAddress(t, text)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", text, err, want)
		}
	}
	for _, option := range []string{"escape=^]]", "escape=256", "line=9N1", "line=8X1", "line=8N", "flow=cts", "speed=fast", "speed=0"} {
		_, err := address.Parse("file:/dev/ttyS0," + option)
		var wrong *address.OptionError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v", option, err)
		}
	}
}
