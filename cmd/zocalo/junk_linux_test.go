package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What strangers send to a server, whatever it is, ends that connection and
// nothing else: an honest client is served afterwards as before.
func TestJunk(t *testing.T) {
	const rounds = 150
	// How messages begin that a server takes for its own.
	heads := [][]byte{
		nil, {3, 0}, {3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0}, {3, 0, 0xff, 0xff, 2, 0xf0, 0x80}, {0, 0, 0, 4}, {0xff, 0xff, 0xff, 0xff},
		[]byte("abcdefghijklmnopqrstuvwxyz0123456789\x00"), []byte("{\"tcp\":true,"), bytes.Repeat([]byte{0}, 30), []byte("GET / HTTP/1.1\r\n"),
	}
	xns, link := "spp:0#2608C123456#5000,link=", fmt.Sprintf("127.0.0.1:%d", freePort(t))
	for _, server := range []struct {
		args   []string
		honest string // how an honest client calls it, with what the server says in place of %s
		hears  bool   // by talk, which hears what it said
	}{
		{[]string{"echo", "--json", "tcp:127.0.0.1:0"}, "%s", true},
		{[]string{"echo", "--json", "--path", "general", "tcp:127.0.0.1:0,frame=len32"}, "%s,frame=len32", true},
		{[]string{"serve", "--json", "tcp:127.0.0.1:0", "--", "cat"}, "%s", true},
		{[]string{"echo", "--json", "udp:127.0.0.1:0"}, "%s", true},
		{[]string{"echo", "--json", "iso:127.0.0.1:0"}, "%s", true},
		{[]string{"echo", "--json", "iso-stream:127.0.0.1:0"}, "%s", true},
		{[]string{"echo", "--json", "iso-dgram:127.0.0.1:0"}, "%s", true},
		{[]string{"bench", "--serve", "--json", "tcp:127.0.0.1:0"}, "%s", false},
		{[]string{"bench", "--serve", "--json", "udp:127.0.0.1:0"}, "%s", false},
		{[]string{"bench", "--serve", "--json", "iperf3:127.0.0.1:0"}, "iperf3:%s", false},
		{[]string{"echo", "--json", xns + "udp-listen:" + link}, xns + "udp:" + link, true},
	} {
		t.Run(strings.Join(server.args, " "), func(t *testing.T) {
			t.Parallel()
			s, refused := startListed(t, server.args...)
			if s == nil {
				t.Fatal(refused)
			}
			scheme, endpoint, _ := strings.Cut(s.address, ":")
			endpoint, _, _ = strings.Cut(endpoint, ",")
			address := server.honest
			switch {
			case address == "iperf3:%s":
				address = "iperf3:" + endpoint
			case scheme == "spp":
				scheme, endpoint = "udp", link
			default:
				address = fmt.Sprintf(address, s.address)
			}
			network := "tcp"
			if scheme == "udp" || scheme == "iso-dgram" {
				network = "udp"
			}
			rng := rand.New(rand.NewPCG(1, 2)) // always the same
			for i := range rounds {
				c, err := net.DialTimeout(network, endpoint, longestRun)
				if err != nil {
					t.Fatal(err)
				}
				junk := heads[i%len(heads)]
				for range rng.IntN(1500) {
					junk = append(junk[:len(junk):len(junk)], byte(rng.Uint32()))
				}
				c.SetDeadline(time.Now().Add(longestRun))
				c.Write(junk)
				if tcp, ok := c.(*net.TCPConn); ok {
					switch rng.IntN(3) {
					case 0:
						tcp.SetLinger(0)
					case 1:
						tcp.CloseWrite()
						tcp.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
						tcp.Read(make([]byte, 4096))
					}
				}
				c.Close()
			}
			if !server.hears {
				out, err := exec.Command("zocalo", "bench", address, "-t", "200ms").CombinedOutput()
				if err != nil {
					t.Errorf("bench %s: %v\n%s\nthe server said:\n%.2000s", address, err, out, s.log())
				}
				return
			}
			talk := exec.Command("zocalo", "talk", "--idle", "10s", address)
			if network == "udp" {
				talk = exec.Command("zocalo", "talk", "--idle", "2s", address)
			}
			talk.Stdin = strings.NewReader("hola\n")
			out, err := talk.Output()
			if !strings.HasPrefix(string(out), "hola") {
				t.Errorf("talk %s: %q, %v; the server said:\n%.2000s", address, out, err, s.log())
			}
		})
	}
}
