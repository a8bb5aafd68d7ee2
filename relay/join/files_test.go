package join_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"zocalo/internal/pass"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// sendsFile sends text with a descriptor on which word can be read.
func sendsFile(t *testing.T, s *socket.Socket, text, word string) {
	t.Helper()
	r, w, err := os.Pipe()
	try(t, err)
	defer r.Close()
	defer w.Close()
	if _, err := io.WriteString(w, word); err != nil {
		t.Fatal(err)
	}
	m := socket.Message{Ancillary: socket.Ancillary{Present: socket.HasFiles, Files: []int{int(r.Fd())}}}
	m.SetData([]byte(text))
	must(s.Send(&m))(t)
}

// wantsFile fails unless text comes with a descriptor on which word can be
// read.
func wantsFile(t *testing.T, s *socket.Socket, text, word string) {
	t.Helper()
	m := socket.Message{Ancillary: socket.Ancillary{WantFiles: 8}}
	m.SetData(make([]byte, 100))
	try(t, s.Receive(&m))
	if got := string(m.Buffers[0][:m.N]); got != text || len(m.Ancillary.Files) != 1 {
		t.Fatalf("received %q with %d descriptors, want %q with 1", got, len(m.Ancillary.Files), text)
	}
	f := os.NewFile(uintptr(m.Ancillary.TakeFiles()[0]), "passed")
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != word {
		t.Errorf("the descriptor reads %q, %v, want %q", got, err, word)
	}
}

func TestFilesPass(t *testing.T) {
	for _, kind := range []maker{unix, unixSeqPacket, unixDatagram} {
		t.Run(kind.name, func(t *testing.T) {
			j := start(t, kind, kind, join.End{}, join.End{}, join.Options{Files: pass.PassFiles})
			sendsFile(t, j.a, "one", "word")
			wantsFile(t, j.b, "one", "word")
			writes(t, j.a, "two")
			wants(t, j.b, "two")
			sendsFile(t, j.b, "three", "back")
			wantsFile(t, j.a, "three", "back")
			j.end()
			if r, _ := j.over(); r.From[outcome.A].Files != 1 || r.From[outcome.A].Bytes != 6 || r.From[outcome.A].FilesRefused != 0 {
				t.Errorf("Join = %+v", r)
			}
		})
	}
}

// What was passed on is not kept: while the join is idle, a pipe ends with the last
// of those who have it.
func TestFilesNotKept(t *testing.T) {
	for _, kind := range []maker{unix, unixSeqPacket, unixDatagram} {
		t.Run(kind.name, func(t *testing.T) {
			j := start(t, kind, kind, join.End{}, join.End{}, join.Options{Files: pass.PassFiles, MaxMessage: 100})
			r, w, err := os.Pipe()
			try(t, err)
			defer r.Close()
			for _, size := range []int{3, 101} { // the second does not fit
				m := socket.Message{Ancillary: socket.Ancillary{Present: socket.HasFiles, Files: []int{int(w.Fd())}}}
				m.SetData(make([]byte, size))
				must(j.a.Send(&m))(t)
			}
			w.Close()
			m := socket.Message{}
			m.SetData(make([]byte, 100))
			wantsErr(t, j.b.Receive(&m), socket.ErrDescriptorsRefused) // and closed
			if kind.name == unix.name {
				wantsErr(t, j.b.Receive(&m), socket.ErrDescriptorsRefused)
			}
			try(t, r.SetReadDeadline(time.Now().Add(30*time.Second)))
			if n, err := r.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the pipe reads %d, %v, want its end", n, err)
			}
		})
	}
}

// Descriptors that nobody takes are closed with the join; TestMain counts them.
func TestFilesPassToNobody(t *testing.T) {
	j := start(t, unix, unix, join.End{}, join.End{}, join.Options{Files: pass.PassFiles})
	try(t, j.b.Close())
	sendsFile(t, j.a, "lost", "word")
	j.over()
}

// Where they are not to pass, a message with them is refused, and a stream
// fails: nothing goes on as if they had never been.
func TestFilesRefusedLoudly(t *testing.T) {
	refused := make(chan error, 8)
	o := join.Options{Files: pass.RefuseFiles, OnRefused: func(_ outcome.Side, err error) { refused <- err }}
	t.Run("message", func(t *testing.T) {
		j := start(t, unixSeqPacket, unixSeqPacket, join.End{}, join.End{}, o)
		sendsFile(t, j.a, "refused", "word")
		wantsErr(t, <-refused, socket.ErrDescriptorsRefused)
		writes(t, j.a, "next")
		wantsMessage(t, j.b, "next")
		j.end()
		if r, _ := j.over(); r.From[outcome.A].Refused != 1 || r.From[outcome.A].FilesRefused != 1 || r.From[outcome.A].Messages != 1 {
			t.Errorf("Join = %+v", r)
		}
	})
	for _, far := range []maker{unix, tcp} {
		t.Run("stream to "+far.name, func(t *testing.T) {
			j := start(t, unix, far, join.End{}, join.End{}, o)
			sendsFile(t, j.a, "refused", "word")
			r, err := j.over()
			wantsErr(t, err, socket.ErrDescriptorsRefused)
			if r.How != outcome.Failed || r.Side != outcome.A || r.From[outcome.A].Bytes != 0 {
				t.Errorf("Join = %+v", r)
			}
		})
	}
	t.Run("stream in a format", func(t *testing.T) {
		j := start(t, unix, unixSeqPacket, format("lines"), join.End{}, o)
		sendsFile(t, j.a, "refused\n", "word")
		_, err := j.over()
		wantsErr(t, err, socket.ErrDescriptorsRefused)
	})
}

func TestFilesNeedUnix(t *testing.T) {
	for _, test := range []struct {
		b    maker
		end  join.End
		word string
	}{
		{tcp, join.End{}, "two unix sockets"},
		{unix, format("lines"), "a format"},
	} {
		j := start(t, unix, test.b, test.end, test.end, join.Options{Files: pass.PassFiles})
		var ended *outcome.EndError
		if _, err := j.over(); err == nil || errors.As(err, &ended) || !strings.Contains(err.Error(), test.word) {
			t.Errorf("Join's error is %v", err)
		}
	}
}
