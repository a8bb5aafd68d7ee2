package tls_test

import (
	"bytes"
	stdtls "crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
)

// lower returns the socket beneath.
func lower(t testing.TB, s *socket.Socket) *socket.Socket {
	t.Helper()
	l, ok := socket.As[socket.Layer](s)
	if !ok {
		t.Fatalf("%v has no layer", s.Kind())
	}
	return l.Lower().(*socket.Socket)
}

// An end without close_notify is a reset, unless it is said to be optional: then it
// is one only between records.
func TestTruncation(t *testing.T) {
	for _, optional := range []bool{false, true} {
		for _, inside := range []bool{false, true} {
			for name, address := range map[string]string{"tcp": "tls:127.0.0.1:0", "unix": "tls+unix:" + t.TempDir() + "/s"} {
				client, server, stop, err := pairWith(t, address, map[bool]string{true: ",close-notify=optional"}[optional])
				try(t, err)
				defer stop()
				_, err = server.Write([]byte("half an answer"))
				try(t, err)
				if inside {
					_, err = lower(t, server).Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
					try(t, err)
				}
				try(t, lower(t, server).Close())
				got, err := io.ReadAll(client)
				if string(got) != "half an answer" {
					t.Errorf("%s: read %q", name, got)
				}
				if whole := optional && !inside; (err == nil) != whole || err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%s: after an end without close_notify, optional %v, in a record %v: %v", name, optional, inside, err)
				}
			}
		}
	}
}

// Abort resets, and so does a peer that sends what is no TLS.
func TestAbort(t *testing.T) {
	for _, address := range []string{"tls:127.0.0.1:0", "tls+unix:" + t.TempDir() + "/s"} {
		for name, cut := range map[string]func(s *socket.Socket) error{
			"abort": (*socket.Socket).Abort,
			"nonsense": func(s *socket.Socket) error {
				_, err := lower(t, s).Write(bytes.Repeat([]byte{23, 3, 3, 0, 30}, 20))
				return err
			},
		} {
			client, server, stop, err := pair(t, address)
			try(t, err)
			try(t, cut(server))
			if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: after %s: %v", address, name, err)
			}
			stop()
		}
	}
}

// Each direction has its own end, also with peers that nobody here wrote, and of TLS
// 1.2.
func TestHalfClose(t *testing.T) {
	f := newFiles(t)
	cert := f.cert(t, soon, "localhost", "127.0.0.1")
	for _, version := range []uint16{stdtls.VersionTLS12, stdtls.VersionTLS13} {
		l := server(t, "tls:127.0.0.1:0,cert="+cert, func(s *socket.Socket) {
			b, err := io.ReadAll(s)
			if err != nil {
				t.Error(err)
			}
			s.Write([]byte(strings.ToUpper(string(b))))
			s.CloseWrite()
		})
		c, err := stdtls.Dial("tcp", l.Addr().String(), &stdtls.Config{RootCAs: f.pool(), ServerName: "localhost", MaxVersion: version})
		try(t, err)
		if got := converse(t, c, "hola"); got != "HOLA" {
			t.Errorf("a client of %x was answered %q", version, got)
		}
		c.Close()

		at := standard(t, cert, func(c *stdtls.Config) { c.MaxVersion = version }, func(c *stdtls.Conn) {
			b, _ := io.ReadAll(c)
			c.Write(bytes.ToUpper(b))
		})
		s := dial(t, at+",ca="+f.ca())
		if got := converse(t, s, "hola"); got != "HOLA" {
			t.Errorf("a server of %x answered %q", version, got)
		}
		if _, err := s.Write([]byte("more")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing after the end: %v", err)
		}
	}
}

// A write whose deadline passes harms nothing: what it took arrives, once, and
// what comes after it.
func TestWriteAfterDeadline(t *testing.T) {
	for name, address := range carriers(t) {
		t.Run(name, func(t *testing.T) {
			client, server, stop, err := pair(t, address)
			try(t, err)
			defer stop()
			var sent []byte
			late := 0
			for i := range 5 {
				b := bytes.Repeat([]byte{byte(i)}, 5<<20)
				try(t, client.SetWriteDeadline(time.Now().Add(30*time.Millisecond)))
				n, err := client.Write(b)
				sent = append(sent, b[:n]...)
				switch {
				case errors.Is(err, os.ErrDeadlineExceeded):
					late++
				case err != nil:
					t.Fatalf("writing to nobody who reads: %d, %v", n, err)
				}
			}
			if late == 0 {
				t.Fatal("no deadline passed")
			}
			for got := 0; got < len(sent); { // without another write
				server.SetReadDeadline(time.Now().Add(patience))
				b := make([]byte, len(sent)-got)
				n, err := server.Read(b)
				try(t, err)
				if !bytes.Equal(b[:n], sent[got:got+n]) {
					t.Fatalf("what came at %d is not what was sent", got)
				}
				got += n
			}
			var reading sync.WaitGroup
			var got []byte
			reading.Go(func() {
				server.SetReadDeadline(time.Now().Add(patience))
				var err error
				if got, err = io.ReadAll(server); err != nil {
					t.Error(err)
				}
			})
			sent = nil
			try(t, client.SetWriteDeadline(time.Time{}))
			_, err = client.Write([]byte("the end"))
			try(t, err)
			try(t, client.CloseWrite())
			reading.Wait()
			if sent = append(sent, "the end"...); !bytes.Equal(got, sent) {
				t.Errorf("%d bytes were sent, and %d came", len(sent), len(got))
			}
		})
	}
}

// A deadline ends the wait of everybody who writes, also behind what others left.
func TestWritersAfterDeadline(t *testing.T) {
	client, _, stop, err := pair(t, "tls:127.0.0.1:0")
	try(t, err)
	defer stop()
	b := make([]byte, 1<<20)
	for range 300 {
		try(t, client.SetWriteDeadline(time.Now().Add(time.Millisecond)))
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() { client.Write(b) }) // it fails, in the end
		}
		done := make(chan struct{})
		go func() { writers.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("a write goes on past its deadline")
		}
	}
}

// What was there when WaitRead returned is read without waiting, whatever its size
// beside that of the buffer, and an end comes after it.
func TestWaitRead(t *testing.T) {
	for _, address := range []string{"tls:127.0.0.1:0", "tls+unix:" + t.TempDir() + "/s"} {
		client, server, stop, err := pair(t, address)
		try(t, err)
		defer stop()
		for _, size := range []int{1, 2, 100, 16 << 10, 16<<10 + 1, 200_000} {
			want := bytes.Repeat([]byte{byte(size)}, size)
			go server.Write(want)
			var got []byte
			for b := make([]byte, 1000); len(got) < size; {
				try(t, client.WaitRead())
				n, err := client.Read(b)
				try(t, err)
				got = append(got, b[:n]...)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes came of %d", address, len(got), size)
			}
		}
		try(t, client.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		if err := client.WaitRead(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("WaitRead: %v", err)
		}
		try(t, client.SetReadDeadline(time.Time{}))
		try(t, server.CloseWrite())
		try(t, client.WaitRead())
		if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("at the end Read = %d, %v", n, err)
		}
		waiting := make(chan error)
		go func() { waiting <- server.WaitRead() }()
		time.Sleep(10 * time.Millisecond)
		try(t, server.Close())
		if err := <-waiting; !errors.Is(err, net.ErrClosed) {
			t.Errorf("WaitRead of a socket that is closed: %v", err)
		}
	}
}
