package check

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"zocalo/socket"
)

// A wire that is down is a promise broken; one that is up, kept.
func TestReachOverAWire(t *testing.T) {
	w := newWorld()
	defer w.close()
	if err := w.ready(); err != nil {
		t.Skipf("not allowed here: %v", err)
	}
	kind := socket.Kind{Domain: socket.Inet, Type: socket.Stream}
	src := &Source{Name: "tcp", Kind: kind, Promised: kind.Properties(), New: func() (*socket.Socket, error) {
		return socket.New(kind.Domain, kind.Type, kind.Protocol)
	}}
	reached := func(patience time.Duration) Finding {
		trial := newTrial(t.Context(), src, patience, w)
		defer trial.end()
		findings, err := reach(trial)
		if err != nil {
			t.Fatal(err)
		}
		return findings[0]
	}
	if f := reached(5 * time.Second); f.Verdict != Kept {
		t.Errorf("over a wire: %+v", f)
	}
	var err error
	w.in(1, func() { err = lower() })
	if err != nil {
		t.Fatal(err)
	}
	if f := reached(100 * time.Millisecond); f.Verdict != Broken {
		t.Errorf("over a wire that is down: %+v", f)
	}
}

// lower turns this end of the wire off.
func lower() error {
	ifi, err := net.InterfaceByName(wire)
	if err != nil {
		return err
	}
	header := make([]byte, unix.SizeofIfInfomsg)
	putNative(header[4:], uint32(ifi.Index))
	putNative(header[12:], unix.IFF_UP) // ifi_change; ifi_flags stays 0
	return route(unix.RTM_NEWLINK, 0, header, netlink.NewAttributeEncoder())
}

func TestReachWithoutNamespaces(t *testing.T) {
	w := newWorld()
	defer w.close()
	w.once.Do(func() { w.err = &worldError{unix.EPERM} })
	kind := socket.Kind{Domain: socket.Inet, Type: socket.Stream}
	trial := newTrial(t.Context(), &Source{Kind: kind, New: func() (*socket.Socket, error) { return nil, errors.New("not to be called") }}, time.Second, w)
	defer trial.end()
	findings, err := reach(trial)
	if err != nil || findings[0].Verdict != Skipped || findings[0].Reason == "" {
		t.Errorf("%+v, %v; want it skipped", findings, err)
	}
}
