package zocalo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"zocalo"
	"zocalo/address"
)

// An http.Server on any address, and a client that reaches it.
func ExampleDialer_DialContext() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "http.sock")
	l, err := zocalo.Listen(context.Background(), "unix:"+address.Escape(path))
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "Hello world!") })}
	go server.Serve(l.NetListener())
	defer server.Close()

	var d zocalo.Dialer
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", path)
	}}}
	r, err := client.Get("http://server/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Body.Close()
	io.Copy(os.Stdout, r.Body)
	// Output: Hello world!
}

// Addresses that somebody else has written may have the schemes that they are for, and
// no others.
func ExampleDialer_schemes() {
	d := zocalo.Dialer{Schemes: []string{"tcp", "tls"}}
	_, err := d.Dial(context.Background(), "file:/etc/passwd")
	fmt.Println(err)
	var refused *zocalo.SchemeError
	fmt.Println(errors.As(err, &refused))
	// Output:
	// scheme file is not allowed here: use tcp, tls
	// true
}
