package service_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/service"
)

// stormy are the services of a storm of reloads in the nth of its forms: with pairs on
// big, and others besides.
func stormy(to string, n int) string {
	text := "[service.big]\nfrom = \"tcp-listen:127.0.0.1:0\"\nto = \"" + to + "\"\n"
	switch n % 3 {
	case 1:
		text += "idle = \"1h\"\nmax-conns = 9960\n" // in place
	case 2:
		text += "max-conns-per-peer = 20000\n" // by a successor
	}
	for i := range 20 {
		text += fmt.Sprintf("[service.other%d]\nfrom = \"tcp-listen:127.0.0.1:0\"\nto = \"%s\"\nconnect-timeout = %d\n", i, to, 1+n%2)
	}
	return text
}

// No pair is lost in a storm of reloads, whatever they change.
func TestReloadStorm(t *testing.T) {
	echo := start(t, "[service.e]\nverb = \"echo\"\nfrom = \"tcp:127.0.0.1:0\"\n")
	to := "tcp:" + echo.where("e")
	r := start(t, stormy(to, 0))
	var clients []*talking
	for range 200 {
		clients = append(clients, dial(t, r.where("big")))
		clients[len(clients)-1].alive(t)
	}
	stop := make(chan struct{})
	var traffic sync.WaitGroup
	var lost error
	traffic.Go(func() { // what comes and goes meanwhile
		for {
			select {
			case <-stop:
				return
			default:
			}
			c, err := net.Dial("tcp", r.where("big"))
			if err == nil {
				fmt.Fprintln(c, "there?")
				c.(*net.TCPConn).CloseWrite()
				var answer []byte
				if answer, err = io.ReadAll(c); string(answer) != "there?\n" && err == nil {
					err = fmt.Errorf("%q came back", answer)
				}
				c.Close()
			}
			if err != nil {
				lost = err
				return
			}
		}
	})
	for n := range 100 {
		r.reload(stormy(to, n+1))
		clients[n].alive(t)
	}
	close(stop)
	traffic.Wait()
	if lost != nil {
		t.Errorf("a connection was lost: %v", lost)
	}
	for _, c := range clients {
		c.alive(t)
	}
	if s := r.Status(); s.Reloads != 100 {
		t.Errorf("%+v", s)
	}
}

// stormChild is a set in a process of its own, which has so many descriptors for itself: it
// prints where its service listens, and reloads as it is told.
func stormChild() {
	to := os.Getenv("STORM_TO")
	text := func(n int) string {
		if to == "" {
			return "[service.big]\nverb = \"echo\"\nfrom = \"tcp:127.0.0.1:0\"\n"
		}
		return stormy(to, n)
	}
	must := func(err error) {
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
	}
	c, err := service.Parse("storm.toml", []byte(text(0)))
	must(err)
	s, err := service.New(c, service.Options{Listening: func(name string, l *zocalo.Listener, _ address.Address) {
		if name == "big" {
			fmt.Println(l.Name())
		}
	}})
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	lines := bufio.NewScanner(os.Stdin)
	for n := 1; lines.Scan(); n++ {
		began := time.Now()
		c, err := service.Parse("storm.toml", []byte(text(n)))
		must(err)
		change, err := s.Reload(c)
		must(err)
		fmt.Println(time.Since(began).Nanoseconds(), change.Took.Nanoseconds(), s.Status().Services[0].Totals.Open)
	}
	stop()
	s.Abort()
	must(<-done)
	os.Exit(0)
}

// child starts one, and returns where it listens and how to have it reload.
func child(b *testing.B, to string) (at string, reload func() (all, applied time.Duration, open int)) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORM=1", "STORM_TO="+to)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	lines := bufio.NewReader(out)
	at, err = lines.ReadString('\n')
	if err != nil || strings.HasPrefix(at, "failed") {
		b.Fatal(at, err)
	}
	return strings.TrimSpace(at), func() (all, applied time.Duration, open int) {
		fmt.Fprintln(in)
		line, err := lines.ReadString('\n')
		if _, err2 := fmt.Sscan(line, &all, &applied, &open); err != nil || err2 != nil {
			b.Fatal(line, err, err2)
		}
		return all, applied, open
	}
}

// BenchmarkReload applies reloads to a relay with as many pairs as its descriptors allow, up
// to 10 000, and 20 other services: a third of them leaves it alone, a third changes limits of
// its pairs, a third replaces it.
func BenchmarkReload(b *testing.B) {
	server, _ := child(b, "")
	at, reload := child(b, "tcp:"+server)
	var clients []net.Conn
	for range 9900 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	ping := func() {
		for _, c := range clients {
			c.SetDeadline(time.Now().Add(30 * time.Second))
			if _, err := c.Write([]byte("x")); err != nil {
				b.Fatal("a pair was lost: ", err)
			}
		}
		one := make([]byte, 1)
		for _, c := range clients {
			if _, err := io.ReadFull(c, one); err != nil {
				b.Fatal("a pair was lost: ", err)
			}
		}
	}
	ping()
	var took, applied []time.Duration
	for b.Loop() {
		all, a, open := reload()
		took, applied = append(took, all), append(applied, a)
		if open != len(clients) {
			b.Fatalf("%d pairs are left of %d", open, len(clients))
		}
	}
	ping()
	slices.Sort(took)
	slices.Sort(applied)
	b.ReportMetric(float64(applied[len(applied)/2].Microseconds())/1e3, "ms-applied-p50")
	b.ReportMetric(float64(applied[len(applied)-1].Microseconds())/1e3, "ms-applied-max")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1e3, "ms-with-reading-max")
}
