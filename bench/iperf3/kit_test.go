package iperf3

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/internal/testenv"
	"zocalo/server"
	"zocalo/socket"
)

// patience is for what should take a second or two, on a machine under load.
const patience = time.Minute

// An ended is what a server says of a test.
type ended struct {
	report *Report
	err    error
}

// serveOn starts a server of ours, and returns its port and what it tells of
// each test. It ends with the test.
func serveOn(t *testing.T, s *Server, addressText string) (name socket.Name, told chan ended) {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), addressText)
	if err != nil {
		t.Fatal(err)
	}
	for at := l.Name().AddrPort(); at.IsValid() && !udpIsFree(at); at = l.Name().AddrPort() {
		l.Close()
		if l, err = zocalo.Listen(t.Context(), addressText); err != nil {
			t.Fatal(err)
		}
	}
	told = make(chan ended, 1000)
	s.OnTest = func(_ socket.Name, r *Report, err error) { told <- ended{r, err} }
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, server.Listener(l)) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return l.Name(), told
}

// udpIsFree reports whether datagrams can be had at an address too: the system
// chose the port for TCP alone.
func udpIsFree(at netip.AddrPort) bool {
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return false
	}
	u.Close()
	return true
}

// next is the next test that a server tells of.
func next(t *testing.T, told chan ended) ended {
	t.Helper()
	select {
	case e := <-told:
		return e
	case <-time.After(patience):
		t.Fatal("the server told of no test")
		panic("unreachable")
	}
}

// A stockServing is an iperf3 that serves one test.
type stockServing struct {
	address string
	output  func() string
	kill    func()
}

func stockServer(t *testing.T, args ...string) stockServing {
	t.Helper()
	program := testenv.Program(t, "iperf3")
	// iperf3 cannot choose a port and tell it. One that was free a moment ago
	// may be taken, so there are several attempts.
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if !udpIsFree(l.Addr().(*net.TCPAddr).AddrPort()) {
			continue
		}
		ctx, stop := context.WithTimeout(context.Background(), 2*patience)
		c := exec.CommandContext(ctx, program, append([]string{"-s", "-1", "-B", "127.0.0.1", "-p", fmt.Sprint(port), "--forceflush"}, args...)...)
		out := &testenv.Journal{}
		c.Stdout, c.Stderr = out, out
		if err := c.Start(); err != nil {
			stop()
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() { c.Wait(); close(exited) }()
		t.Cleanup(func() { stop(); <-exited })
		for end := time.Now().Add(patience); time.Now().Before(end); {
			select {
			case <-exited:
				end = time.Now()
				continue
			case <-time.After(10 * time.Millisecond):
			}
			if strings.Contains(out.String(), "listening on") {
				return stockServing{fmt.Sprintf("tcp:127.0.0.1:%d", port), out.String, stop}
			}
		}
		stop()
	}
	t.Fatal("iperf3 did not start")
	panic("unreachable")
}

// A stock is what iperf3 --json prints, as far as tests look at it.
type stock struct {
	Error string
	Start struct {
		Connected []struct{ Socket int }
	}
	Intervals []struct{ Sum struct{ Bytes int64 } }
	End       struct {
		Streams []struct {
			Sender, Receiver, UDP map[string]any
		}
		Sent         stockSum           `json:"sum_sent"`
		Received     stockSum           `json:"sum_received"`
		BackSent     stockSum           `json:"sum_sent_bidir_reverse"`
		BackReceived stockSum           `json:"sum_received_bidir_reverse"`
		Sum          stockSum           // of datagrams
		CPU          map[string]float64 `json:"cpu_utilization_percent"`
		SenderCC     string             `json:"sender_tcp_congestion"`
		ReceiverCC   string             `json:"receiver_tcp_congestion"`
	}
	Output string `json:"server_output_text"`
}

type stockSum struct {
	Bytes       int64
	Seconds     float64
	Retransmits *int64
	Jitter      float64 `json:"jitter_ms"`
	Lost        int64   `json:"lost_packets"`
	Packets     int64
}

// stockClient runs iperf3 against a server of ours.
func stockClient(t *testing.T, n socket.Name, args ...string) (*stock, error) {
	t.Helper()
	program := testenv.Program(t, "iperf3")
	ctx, stop := context.WithTimeout(context.Background(), 2*patience)
	defer stop()
	at := n.AddrPort()
	c := exec.CommandContext(ctx, program, append([]string{"-c", at.Addr().String(), "-p", fmt.Sprint(at.Port()), "--json"}, args...)...)
	out, runErr := c.Output()
	var s stock
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("iperf3 printed %.300q: %v, %v", out, err, runErr)
	}
	if s.Error != "" {
		return &s, fmt.Errorf("iperf3: %s", s.Error)
	}
	return &s, runErr
}
