// Tcp-tour shows what TCP can do beyond a stream of bytes: options, urgent data, a
// half-close, what the kernel measures, and a reset.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"syscall"
	"time"

	"zocalo"
	"zocalo/socket/option"
)

func main() {
	log.SetFlags(0)
	if err := tour(context.Background()); err != nil {
		log.Fatalf("tcp-tour: %v", err)
	}
}

func tour(ctx context.Context) error {
	l, err := zocalo.Listen(ctx, "tcp:127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	// An option is set before connecting by the address, and after by its variable.
	c, err := zocalo.Dial(ctx, l.Address()+",keepidle=1m,user-timeout=30s")
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := l.Accept(ctx)
	if err != nil {
		return err
	}
	defer s.Close()

	if err := option.NoDelay.Set(c, false); err != nil {
		return err
	}
	idle, err := option.KeepAliveIdle.Get(c)
	if err != nil {
		return err
	}
	fmt.Println("probes after", idle)

	// Urgent data overtakes what was written before.
	fmt.Fprint(c, "slow and steady")
	if _, err := c.SendUrgent([]byte("!")); err != nil {
		return err
	}
	urgent := make([]byte, 1)
	if _, err := s.ReceiveUrgent(ctx, urgent); err != nil {
		return err
	}
	fmt.Printf("urgent: %s\n", urgent)

	// A half-close ends one direction; the answer comes by the other.
	if err := c.CloseWrite(); err != nil {
		return err
	}
	all, err := io.ReadAll(s)
	if err != nil {
		return err
	}
	fmt.Printf("before it: %s\n", all)
	if _, err := s.Write(all); err != nil {
		return err
	}

	info, err := option.ConnectionInfo.Get(s)
	if err != nil {
		return err
	}
	fmt.Printf("%v, and a round trip was measured: %t\n", info.State, info.RTT > 0)

	// A reset tells the peer that this was not the whole of it.
	if err := s.Abort(); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	_, err = io.ReadAll(c)
	fmt.Println("reset:", errors.Is(err, syscall.ECONNRESET))
	return nil
}
