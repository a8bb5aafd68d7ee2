package server_test

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"zocalo/server"
)

// A notice tells a channel when the log has a line.
type notice chan string

func (n notice) Write(b []byte) (int, error) {
	n <- string(b)
	return len(b), nil
}

// The system's own shortage, rather than a listener's that plays it: a client
// waits in the queue until there are descriptors again.
func TestOutOfDescriptors(t *testing.T) {
	l := listen(t, tcp)
	first, second := dial(t, tcp, l.Name()), dial(t, tcp, l.Name())

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	free, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = uint64(free.Fd()) // the lowest number that is free
	free.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Skip("the limit on descriptors cannot be lowered here:", err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)

	log := make(notice, 10)
	r := serve(t, &server.Server{Handler: echoed, Drain: -1, Log: slog.New(slog.NewTextHandler(log, nil))}, l)
	select {
	case line := <-log:
		if !strings.Contains(line, "accepting pauses") || !strings.Contains(line, syscall.EMFILE.Error()) {
			t.Errorf("the log says %s", line)
		}
	case err := <-r.result:
		t.Fatal("Serve ended: ", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, c := range []io.ReadWriteCloser{first, second} {
		io.WriteString(c, "x")
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	r.wait(t)
}
