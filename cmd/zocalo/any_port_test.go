package main

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"
)

// A server that answers from another port than it was asked at, as TFTP has it:
// with any-port talk and relay hear it, and go on with that port.
func TestAnyPort(t *testing.T) {
	asked := listenUDP(t)
	at := fmt.Sprintf("udp:%v,any-port", asked.LocalAddr())
	t.Run("talk", func(t *testing.T) { anyPort(t, asked, start(t, "talk", "--idle", "0", at)) })
	t.Run("relay", func(t *testing.T) {
		r := start(t, "relay", "--json", "udp-listen:127.0.0.1:0", at)
		var listening struct{ Address string }
		line, err := r.out.ReadBytes('\n')
		must(t, err)
		must(t, json.Unmarshal(line, &listening))
		anyPort(t, asked, start(t, "talk", "--idle", "0", listening.Address))
	})
}

// anyPort has a client ask, and go on with whoever answered.
func anyPort(t *testing.T, asked *net.UDPConn, client *command) {
	say := func(text string) {
		_, err := client.in.Write([]byte(text + "\n"))
		must(t, err)
	}
	say("read")
	from := hears(t, asked, "read")
	transfer := listenUDP(t)
	for _, block := range []string{"1", "2"} {
		_, err := transfer.WriteToUDP([]byte("block "+block), from)
		must(t, err)
		if line, err := client.out.ReadString('\n'); err != nil || line != "block "+block+"\n" {
			t.Fatalf("the client got %q, %v", line, err)
		}
		say("ack " + block)
		hears(t, transfer, "ack "+block)
	}
}

func listenUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// hears reads one message, and returns who sent it.
func hears(t *testing.T, c *net.UDPConn, want string) *net.UDPAddr {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(scriptPatience)))
	b := make([]byte, 100)
	n, from, err := c.ReadFromUDP(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("the server got %q, %v; want %q", b[:n], err, want)
	}
	return from
}
