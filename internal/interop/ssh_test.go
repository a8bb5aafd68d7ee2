package interop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A session and many channels of x/crypto/ssh, client and server.
func TestSSH(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("Hello world!\n"), 20_000)
	overCarriers(t, func(t *testing.T, c *carrier) {
		config := &ssh.ServerConfig{NoClientAuth: true}
		config.AddHostKey(signer)
		served := make(chan error, 1)
		go func() { served <- serveSSH(c, config) }()

		conn, err := c.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		through, channels, requests, err := ssh.NewClientConn(conn, "server", &ssh.ClientConfig{User: "ana", HostKeyCallback: ssh.FixedHostKey(signer.PublicKey())})
		if err != nil {
			t.Fatal(err)
		}
		client := ssh.NewClient(through, channels, requests)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				session, err := client.NewSession()
				if err != nil {
					t.Error(err)
					return
				}
				session.Stdin = bytes.NewReader(content)
				if got, err := session.Output("cat"); err != nil || !bytes.Equal(got, content) {
					t.Errorf("cat gave %d bytes of %d, %v", len(got), len(content), err)
				}
			})
		}
		all.Wait()
		client.Close()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
}

// serveSSH serves one connection, whose sessions say back what they are sent.
func serveSSH(l net.Listener, config *ssh.ServerConfig) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(requests)
	var all sync.WaitGroup
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return err
		}
		all.Go(func() {
			for r := range requests {
				r.Reply(r.Type == "exec", nil)
				if r.Type == "exec" {
					all.Go(func() {
						io.Copy(channel, channel)
						channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{}))
						channel.Close()
					})
				}
			}
		})
	}
	all.Wait()
	return nil
}
