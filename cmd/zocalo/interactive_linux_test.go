package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"zocalo"
	"zocalo/internal/testenv"
	"zocalo/socket"
)

// sitsAtTalk runs a script on a terminal, in which $TALK is a talk with the socket
// that it returns.
func sitsAtTalk(t *testing.T, script string) (*desk, *socket.Socket) {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	d := sitsAt(t, "bash", "-c", "TALK='zocalo talk -q tcp:"+l.Name().String()+"'; "+script)
	s, err := l.Accept(t.Context())
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return d, s
}

func getsLine(t *testing.T, s *socket.Socket, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(s, b); err != nil || string(b) != want {
		t.Fatalf("the peer got %q, %v; want %q", b, err, want)
	}
}

// Lines are the terminal's to edit, and Ctrl-D is the end of what is said, not of what
// is heard.
func TestTalkTyped(t *testing.T) {
	testenv.Program(t, "bash")
	d, s := sitsAtTalk(t, "$TALK; echo status $?")
	d.types(t, "hox\x7fla\n")
	getsLine(t, s, "hola\n")
	d.types(t, "gone\x15here\n") // Ctrl-U
	getsLine(t, s, "here\n")
	d.types(t, "\x04")
	if rest, err := io.ReadAll(s); err != nil || len(rest) > 0 {
		t.Errorf("after Ctrl-D the peer got %q, %v", rest, err)
	}
	_, err := s.Write([]byte("adios\n"))
	must(t, err)
	must(t, s.Close())
	eventually(t, "the end", func() bool { return strings.Contains(d.String(), "status 0") })
	if !strings.Contains(d.String(), "adios\r\n") {
		t.Errorf("it shows %q", d)
	}
}

func TestTalkCtrlC(t *testing.T) {
	testenv.Program(t, "bash")
	d, s := sitsAtTalk(t, "trap : INT; $TALK; echo status $?")
	d.types(t, "hola\n")
	getsLine(t, s, "hola\n")
	d.types(t, "\x03")
	eventually(t, "the end", func() bool { return strings.Contains(d.String(), "status 130") })
}

// Ctrl-Z stops it, fg goes on with it, and nothing is lost between.
func TestTalkStopped(t *testing.T) {
	testenv.Program(t, "bash")
	d, s := sitsAtTalk(t, "set -m; $TALK; echo stopped $?; read x; echo $x; fg; echo status $?")
	d.types(t, "one\n")
	getsLine(t, s, "one\n")
	d.types(t, "\x1a")
	eventually(t, "it stops", func() bool { return strings.Contains(d.String(), "stopped 148") })
	_, err := s.Write([]byte("meanwhile\n"))
	must(t, err)
	d.types(t, "the shell has the terminal\n")
	eventually(t, "it goes on", func() bool { return strings.Contains(d.String(), "meanwhile") })
	d.types(t, "two\n")
	getsLine(t, s, "two\n")
	d.types(t, "\x04")
	must(t, s.Close())
	eventually(t, "the end", func() bool { return strings.Contains(d.String(), "status 0") })
}

// Colours are for terminals whose user did not refuse them.
func TestNoColor(t *testing.T) {
	testenv.Program(t, "bash")
	for setting, want := range map[string]bool{"TERM=xterm": true, "TERM=xterm NO_COLOR=1": false, "TERM=dumb": false} {
		d := sitsAt(t, "bash", "-c", "unset NO_COLOR; export "+setting+"; zocalo check pipe; echo end $?")
		eventually(t, "the end", func() bool { return strings.Contains(d.String(), "end 0") })
		if coloured := regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(d.String()); coloured != want {
			t.Errorf("%s: colours %v: %q", setting, coloured, d)
		}
	}
}
