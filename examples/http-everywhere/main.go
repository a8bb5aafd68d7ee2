// Http-everywhere serves HTTP on any number of addresses at once, of any kinds.
//
//	http-everywhere tcp:any:8080 unix:/run/web.sock tls:any:8443,cert=server.pem
//
// It tells each client by what it came. An interrupt lets open requests finish.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"

	"zocalo"
	_ "zocalo/layer/tls"
	"zocalo/socket"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("http-everywhere: no address was given: write http-everywhere tcp:127.0.0.1:8080")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Args[1:]); err != nil {
		log.Fatalf("http-everywhere: %v", err)
	}
}

func serve(ctx context.Context, addresses []string) error {
	server := &http.Server{
		Handler: http.HandlerFunc(answer),
		// What the handler asks of the connection goes with its context.
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	failed := make(chan error, len(addresses))
	for _, a := range addresses {
		l, err := zocalo.Listen(ctx, a)
		if err != nil {
			server.Close()
			return err
		}
		log.Printf("listening on %s", l.Address())
		go func() { failed <- server.Serve(l.NetListener()) }()
	}
	select {
	case err := <-failed:
		server.Close()
		return err
	case <-ctx.Done():
		return server.Shutdown(context.Background())
	}
}

type connKey struct{}

func answer(w http.ResponseWriter, r *http.Request) {
	s := r.Context().Value(connKey{}).(*socket.Socket)
	fmt.Fprintf(w, "You came over %v.\n", s.Kind())
	if facts := s.Facts(); len(facts) > 0 {
		fmt.Fprintln(w, facts)
	}
}
