package streams_test

import (
	"net/netip"
	"os"
	"slices"
	"testing"

	"zocalo/internal/poll"
	"zocalo/internal/sys"
	"zocalo/internal/testenv"
	"zocalo/relay/streams"
	"zocalo/socket"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }

// What is written as a system's address reads as the same name.
func TestNames(t *testing.T) {
	path, err := socket.UnixName("/run/x.sock")
	if err != nil {
		t.Fatal(err)
	}
	abstract, err := socket.UnixName("@x")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []socket.Name{
		socket.InetName(netip.MustParseAddrPort("192.0.2.7:80")),
		socket.InetName(netip.MustParseAddrPort("[2001:db8::1]:443")),
		path, abstract, socket.VSockName(3, 5000),
	} {
		var a sys.Sockaddr
		if !streams.Sockaddr(n, &a) {
			t.Errorf("%v cannot be written", n)
		} else if got := streams.Name(&a); got != n {
			t.Errorf("%v reads as %v", n, got)
		}
	}
	var a sys.Sockaddr
	if streams.Sockaddr(socket.Name{}, &a) {
		t.Error("no name was written")
	}
	a.SetUnix(nil)
	if n := streams.Name(&a); !n.IsZero() {
		t.Errorf("an unnamed peer reads as %v", n)
	}
}

func TestKinds(t *testing.T) {
	for k, want := range map[socket.Kind]streams.StreamKind{
		{Domain: socket.Inet, Type: socket.Stream}:                         streams.TCP,
		{Domain: socket.Inet6, Type: socket.Stream}:                        streams.TCP,
		{Domain: socket.Inet, Type: socket.Stream, Protocol: socket.MPTCP}: streams.Plain,
		{Domain: socket.Unix, Type: socket.Stream}:                         streams.Unix,
		{Domain: socket.VSock, Type: socket.Stream}:                        streams.Plain,
	} {
		if got := streams.Kind(k); got != want {
			t.Errorf("%v is %v, want %v", k, got, want)
		}
	}
}

// A teller tells of everything, in order, and Stop waits for that; one that
// nobody listens to takes what it is given.
func TestTeller(t *testing.T) {
	var got []int
	var teller streams.Teller[int]
	hold := make(chan struct{})
	teller.Start(func(n int) {
		<-hold // slower than who adds
		got = append(got, n)
	})
	for n := range 1000 {
		teller.Add(n)
	}
	close(hold)
	teller.Stop()
	if len(got) != 1000 || !slices.IsSorted(got) {
		t.Errorf("%d of 1000 told, in order: %v", len(got), slices.IsSorted(got))
	}
	var none streams.Teller[int]
	none.Start(nil)
	none.Add(1)
	none.Stop()
}

// descriptors returns how many this process has.
func descriptors(t testing.TB) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
