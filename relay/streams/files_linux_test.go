package streams_test

import (
	"io"
	"os"
	"testing"

	"zocalo/internal/pass"
	"zocalo/relay/outcome"
	"zocalo/relay/streams"
	"zocalo/socket"
)

// sendFile sends text with a descriptor of which what is read is known.
func sendFile(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	r, w, err := os.Pipe()
	try(t, err)
	defer r.Close()
	io.WriteString(w, "from the pipe")
	w.Close()
	var m socket.Message
	m.SetData([]byte(text))
	m.Ancillary.Present = socket.HasFiles
	m.Ancillary.Files = []int{int(r.Fd())}
	if _, err := s.Send(&m); err != nil {
		t.Fatal(err)
	}
}

func TestFilesPassed(t *testing.T) {
	r := relaying(t, unixStream, unixStream, 1, func(s *service) { s.group.Files = pass.PassFiles })
	a, b := r.pair()
	writes(t, a, "before")
	wants(t, b, "before")
	sendFile(t, a, "with")
	writes(t, a, " and after")
	var m socket.Message
	buf := make([]byte, 4)
	m.SetData(buf)
	m.Ancillary.WantFiles = 10
	try(t, b.Receive(&m))
	if string(buf[:m.N]) != "with" || len(m.Ancillary.Files) != 1 {
		t.Fatalf("received %q and %d descriptors", buf[:m.N], len(m.Ancillary.Files))
	}
	f := os.NewFile(uintptr(m.Ancillary.Files[0]), "pipe")
	defer f.Close()
	if text, err := io.ReadAll(f); err != nil || string(text) != "from the pipe" {
		t.Fatalf("the descriptor gives %q, %v", text, err)
	}
	wants(t, b, " and after")
	a.Close()
	wantsEOF(t, b)
	b.Close()
	if e := r.wantsEnding(outcome.Finished); e.From[outcome.A].Files != 1 || e.From[outcome.A].FilesRefused != 0 {
		t.Errorf("%+v", e.From[outcome.A])
	}
}

// A slow reader gets them too, at their place.
func TestFilesPassedToSlowReader(t *testing.T) {
	r := relaying(t, unixStream, unixStream, 1, func(s *service) { s.group.Files = pass.PassFiles })
	a, b := r.pair()
	ahead := fill(t, a)
	sent := make(chan bool)
	go func() {
		defer close(sent)
		sendFile(t, a, "with")
		a.Close()
	}()
	buf := make([]byte, 1<<16)
	bytes, files := 0, 0
	for {
		var m socket.Message
		m.SetData(buf)
		m.Ancillary.WantFiles = 10
		err := b.Receive(&m)
		bytes += m.N
		for _, fd := range m.Ancillary.Files {
			files++
			os.NewFile(uintptr(fd), "").Close()
		}
		if err == io.EOF {
			break
		}
		try(t, err)
	}
	<-sent
	if bytes != ahead+4 || files != 1 {
		t.Errorf("received %d bytes and %d descriptors, want %d and 1", bytes, files, ahead+4)
	}
}

func TestFilesClosed(t *testing.T) {
	r := relaying(t, unixStream, tcp, 1, nil)
	a, b := r.pair()
	sendFile(t, a, "with")
	writes(t, a, "out")
	wants(t, b, "without")
	a.Close()
	wantsEOF(t, b)
	b.Close()
	if e := r.wantsEnding(outcome.Finished); e.From[outcome.A].FilesRefused != 1 || e.From[outcome.A].Bytes != 7 {
		t.Errorf("%+v", e.From[outcome.A])
	}
}

// Where they are refused, and where they are to be passed on and cannot be, the
// Conn ends.
func TestFilesRefused(t *testing.T) {
	for policy, to := range map[pass.FilePolicy]socket.Kind{pass.RefuseFiles: unixStream, pass.PassFiles: tcp} {
		r := relaying(t, unixStream, to, 1, func(s *service) { s.group.Files = policy })
		a, b := r.pair()
		sendFile(t, a, "with")
		wantsReset(t, b)
		if e := r.wantsEnding(outcome.Failed); e.Errno != streams.ErrFiles || e.Side != outcome.A || e.From[outcome.A].FilesRefused != 1 {
			t.Errorf("%+v", e)
		}
	}
}
