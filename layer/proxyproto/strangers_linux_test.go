package proxyproto_test

import (
	"strings"
	"testing"

	"zocalo/internal/testenv"
	"zocalo/socket"
)

// Without pp-from= nobody's word is taken who is not on this machine.
func TestStrangers(t *testing.T) {
	testenv.InNamespace(t, []string{"addr add 10.9.9.1/32 dev lo"}, func() {
		l, failed := listen(t, "pp+tcp:10.9.9.1:0")
		accepted := make(chan error, 1)
		go func() {
			_, err := l.Accept(t.Context())
			accepted <- err
		}()
		s, err := socket.New(socket.Inet, socket.Stream, 0) // in this thread, and so in the namespace
		if err == nil {
			defer s.Close()
			err = s.Connect(t.Context(), l.Name())
		}
		if err != nil {
			t.Error(err)
			return
		}
		say(t, s, header1)
		select {
		case err := <-failed:
			if err == nil || !strings.Contains(err.Error(), "headers from 10.9.9.1") {
				t.Error(err)
			}
		case err := <-accepted:
			t.Errorf("it was accepted: %v", err)
		}
	})
}
